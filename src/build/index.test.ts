import assert from 'node:assert/strict'
import { readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { isRoot } from '../home.ts'
import { isFact } from '../ledger/fact.ts'
import { defaultProject } from '../names.ts'
import { isSleeping, ownSeconds } from '../processes/sleepers.testing.ts'
import { jobFinished, jobStarted, pushVerified } from './facts.ts'
import { conclusionsOf, openTestBuild, type Pushed, type TestBuild } from './testing.ts'

/** A workflow of these jobs, pushed and verified; `#` stands for `${{`. */
const run = async (build: TestBuild, yaml: string): Promise<Pushed> => {
  const pushed = await build.push({ '.github/workflows/ci.yml': yaml.replaceAll('#{', '${{') })
  await build.verified(pushed)
  return pushed
}
const outputOf = async (build: TestBuild, pushed: Pushed, job: string): Promise<string[]> => {
  const lines: string[] = []
  let isInGroup = false
  for (const line of await build.log(pushed, job)) {
    if (line.startsWith('##[group]')) isInGroup = true
    else if (line === '##[endgroup]') isInGroup = false
    else if (!isInGroup) lines.push(line)
  }
  return lines
}

test('jobs run in the order of their needs and hand outputs on; steps see what earlier ones set', async () => {
  await using build = await openTestBuild()
  const pushed = await run(
    build,
    `
on: push
env: { FROM: workflow, OVER: workflow }
jobs:
  first:
    runs-on: ubuntu-latest
    env: { OVER: job }
    outputs: { greeting: "#{ steps.say.outputs.greeting }}" }
    steps:
      - id: say
        run: |
          echo "greeting=hello" >> "$GITHUB_OUTPUT"
          echo "ADDED=by a step" >> "$GITHUB_ENV"
          mkdir -p bin && printf '#!/bin/sh\\necho tool\\n' > bin/tool && chmod +x bin/tool
          echo "$PWD/bin" >> "$GITHUB_PATH"
      - run: echo "$FROM $OVER $ADDED $STEP $CI"; tool
        env: { STEP: "#{ env.ADDED }}", OVER: step }
      - run: echo "$OVER #{ steps.say.outcome }} #{ job.status }}"
  second:
    needs: first
    runs-on: ubuntu-latest
    steps:
      - run: echo "#{ needs.first.outputs.greeting }} #{ needs.first.result }} #{ github.ref_name }}"
`,
  )
  assert.deepEqual(await outputOf(build, pushed, 'first'), [
    'workflow step by a step by a step true',
    'tool',
    'job success success',
  ])
  assert.deepEqual(await outputOf(build, pushed, 'second'), ['hello success main'])
  assert.deepEqual(conclusionsOf(await build.facts()), { first: 'success', second: 'success', run: 'success' })
  await build.build.stop()
  assert.deepEqual(readdirSync(build.home.workspaces), [])
  assert.deepEqual(
    build.problems.filter((one) => isRoot() || !one.startsWith('limits of ')),
    [],
  ) // others have no control groups
})

test('a failure stops what needs success, and what asks for failure runs', async () => {
  await using build = await openTestBuild()
  const pushed = await run(
    build,
    `
on: push
jobs:
  broken:
    runs-on: x
    steps:
      - { id: tolerated, run: exit 3, continue-on-error: true }
      - { run: "echo #{ steps.tolerated.outcome }} #{ steps.tolerated.conclusion }}" }
      - run: |
          echo one
          echo two >&2
          exit 4
      - { run: echo not reached }
      - { run: echo cleaned up, if: failure() }
      - { run: echo always, if: always() }
  after: { needs: broken, runs-on: x, steps: [{ run: echo no }] }
  far: { needs: after, if: failure(), runs-on: x, steps: [{ run: echo told }] }
  blocked: { needs: after, runs-on: x, steps: [{ run: echo no }] }
`,
  )
  const verified = await build.verified(pushed)
  assert.equal(verified.conclusion, 'failure')
  assert.deepEqual(verified.failure && { ...verified.failure, lastLines: [...verified.failure.lastLines].sort() }, {
    job: 'broken',
    step: 'Run echo one',
    command: 'echo one\necho two >&2\nexit 4',
    exitCode: 4,
    detail: 'Run echo one: it ended with exit code 4',
    lastLines: ['one', 'two'],
    where: null,
  })
  assert.deepEqual(conclusionsOf(await build.facts()), {
    broken: 'failure',
    after: 'skipped',
    far: 'success',
    blocked: 'skipped',
    run: 'failure',
  })
  const output = await outputOf(build, pushed, 'broken')
  assert.deepEqual(
    output.filter((line) => !line.startsWith('##') && line !== 'one' && line !== 'two'),
    ['failure success', 'cleaned up', 'always'],
  )
})

test('bad command files, forbidden commands and unknown actions fail the step with the reason', async () => {
  await using build = await openTestBuild()
  const failing: readonly [step: string, detail: RegExp][] = [
    ["run: printf 'A<<END\\nx\\n' >> $GITHUB_ENV", /Matching delimiter not found 'END'/],
    ["run: echo '::add-path::/x'", /add-path is not allowed/],
    ['uses: some/action@v1', /^some\/action@v1 is not mirrored here/],
    [
      '{ uses: actions/setup-node@v4, with: { node-version: "99" } }',
      /node 99 is not on this machine for the jobs' user; there is/,
    ],
    ['{ run: x, shell: perl }', /must have \{0\}/],
    [
      '{ run: x, shell: "pwsh-of-nobody {0}" }',
      /pwsh-of-nobody is not on this machine for the job's user: looked in \//,
    ],
    ['{ run: x, shell: cmd }', /cmd is not on this machine.*it runs on Windows only/],
    ['{ run: x, working-directory: nowhere }', /nowhere does not exist/],
    [
      '{ uses: actions/checkout@v4, with: { submodules: some } }',
      /submodules: some is neither true, false nor recursive/,
    ],
    ['{ uses: actions/checkout@v4, with: { lfs: perhaps } }', /lfs: perhaps is neither true nor false/],
  ]
  const jobs = failing.map(([step], index) => `  j${index}:\n    runs-on: x\n    steps:\n      - ${step}\n`).join('')
  await run(build, `on: push\njobs:\n${jobs}`)
  const details = new Map(
    (await build.facts()).flatMap((one) =>
      isFact(jobFinished, one) ? [[one.payload.job, one.payload.failure?.detail ?? '']] : [],
    ),
  )
  for (const [index, [step, detail]] of failing.entries()) assert.match(details.get(`j${index}`) ?? '', detail, step)
})

test('secrets never reach the log, the outputs or the ledger', async () => {
  const secret = 'hunter2-is-a-secret'
  await using build = await openTestBuild({
    settings: {
      secrets: async (_, names) => Object.fromEntries(names.map((name) => [name, secret])),
      variables: async () => ({}),
    },
  })
  const pushed = await run(
    build,
    `
on: push
jobs:
  leaky:
    runs-on: x
    outputs: { token: "#{ steps.out.outputs.token }}", fine: "#{ steps.out.outputs.fine }}" }
    steps:
      - run: |
          echo "plain $TOKEN"
          printf %s "$TOKEN" | base64
          echo "{\\"a\\":\\"$TOKEN\\"}"
          sh -c 'echo child $TOKEN'
          printf 'hunter2-is'; sleep 0.05; echo '-a-secret'
        env: { TOKEN: "#{ secrets.TOKEN }}" }
      - id: out
        run: |
          echo "token=#{ secrets.TOKEN }}" >> $GITHUB_OUTPUT
          echo "fine=yes" >> $GITHUB_OUTPUT
          echo "#{ secrets.TOKEN }}" >&2
          exit 1
`,
  )
  const everything = JSON.stringify([await build.log(pushed, 'leaky'), await build.facts()])
  assert.ok(!everything.includes(secret))
  assert.ok(!everything.includes(Buffer.from(secret).toString('base64').slice(0, 12)))
  const finished = (await build.facts()).find((one) => isFact(jobFinished, one))
  assert.deepEqual(finished && isFact(jobFinished, finished) && finished.payload.outputs, { fine: 'yes' })
})

test('a mistake in a workflow or in headway.yaml fails the run with its place', async () => {
  await using build = await openTestBuild()
  const workflow = await build.push({
    '.github/workflows/ci.yml': 'on: push\njobs:\n  a:\n    runs-on: x\n    stepz: []\n',
  })
  assert.deepEqual((await build.verified(workflow)).failure, {
    job: null,
    step: null,
    command: null,
    exitCode: null,
    detail: "Unexpected value 'stepz'",
    lastLines: [],
    where: { file: '.github/workflows/ci.yml', line: 5, column: 5 },
  })
  const service = await build.push({
    '.github/workflows/ci.yml': null,
    'headway.yaml': 'name: shop\nlanguage: cobol\nport: 80\nreplicsa: 2\nresources: { cpu: -1 }\n',
  })
  const { conclusion, failure } = await build.verified(service)
  assert.deepEqual([conclusion, failure?.where?.file, failure?.where?.line], ['failure', 'headway.yaml', 2])
  assert.deepEqual(failure?.lastLines, [
    'headway.yaml:4:1: unknown key "replicsa" (did you mean replicas?)',
    'headway.yaml:5:19: resources.cpu: expected more than 0 and at most 256 cores, found the number -1',
  ])
})

test('a push that starts nothing is verified as skipped, with the reason', async () => {
  await using build = await openTestBuild()
  const empty = await build.verified(await build.push({ 'README.md': 'hi' }))
  assert.deepEqual(
    [empty.conclusion, empty.notes],
    ['skipped', ['there is neither a headway.yaml nor a workflow for pushes']],
  )
  const filtered = await build.push({
    '.github/workflows/ci.yml':
      'on: { push: { branches: [release] } }\njobs: { a: { runs-on: x, steps: [{ run: ":" }] } }\n',
  })
  const { conclusion, notes } = await build.verified(filtered)
  assert.deepEqual([conclusion, notes], ['skipped', ['.github/workflows/ci.yml does not run for refs/heads/main']])
})

test('without a workflow the one that headway.yaml stands for runs; its dependencies are kept for the next', async () => {
  await using build = await openTestBuild()
  const local = { name: 'local', version: '1.0.0' }
  const lock = { name: 'shop', version: '1.0.0', lockfileVersion: 3, requires: true }
  const files = {
    'web/headway.yaml': 'name: shop\nlanguage: node\nport: 8000\n',
    'web/package.json': JSON.stringify({
      name: 'shop',
      version: '1.0.0',
      dependencies: { local: 'file:local' },
      scripts: {
        start: 'node .',
        test: 'test -e node_modules/local',
      },
    }),
    'web/local/package.json': JSON.stringify(local),
    'web/package-lock.json': JSON.stringify({
      ...lock,
      packages: {
        '': { name: 'shop', version: '1.0.0', dependencies: { local: 'file:local' } },
        local: { version: '1.0.0' },
        'node_modules/local': { resolved: 'local', link: true },
      },
    }),
    'web/index.js': '',
  }
  const first = await build.verified(await build.push(files))
  const second = await build.verified(await build.push({ 'web/index.js': '// changed' }))
  assert.deepEqual([first.conclusion, first.failure, second.conclusion], ['success', null, 'success'])
  const installs = (await build.facts()).flatMap((one) =>
    isFact(jobFinished, one)
      ? one.payload.steps.filter(({ name }) => name === 'Install').map(({ outcome }) => outcome)
      : [],
  )
  assert.deepEqual(installs, ['success', 'skipped'])
})

test('two pushes at once both end, each verified once', async () => {
  await using build = await openTestBuild()
  const yaml = 'on: push\njobs: { a: { runs-on: x, steps: [{ run: sleep 0.2 }] } }\n'
  const one = await build.push({ '.github/workflows/ci.yml': yaml })
  const two = await build.push({ other: 'file' })
  const conclusions = await Promise.all([build.verified(one), build.verified(two)])
  assert.deepEqual(
    conclusions.map(({ push, conclusion }) => [push, conclusion]),
    [
      [one.push, 'success'],
      [two.push, 'success'],
    ],
  )
  assert.equal((await build.facts()).filter((fact) => isFact(pushVerified, fact)).length, 2)
})

test('a checkout has the commit and its history as deep as asked for, and cannot write to the repository', async () => {
  await using build = await openTestBuild()
  await build.push({ 'a.txt': 'old', 'docs/x.md': '', 'docs/y.txt': '', 'lib/z.md': '' })
  const pushed = await run(
    build,
    `
on: push
jobs:
  shallow:
    runs-on: x
    steps:
      - uses: actions/checkout@v4
      - run: git rev-parse HEAD; git rev-list --count HEAD; git status --porcelain; git rev-parse --abbrev-ref HEAD; cat a.txt
  deep:
    runs-on: x
    steps:
      - uses: actions/checkout@v4
        with: { fetch-depth: 0, path: sub }
      - run: git -C sub rev-list --count HEAD
  sparse:
    runs-on: x
    steps:
      - uses: actions/checkout@v4
        with: { path: cone, sparse-checkout: "docs\\nlib" }
      - uses: actions/checkout@v4
        with: { path: patterns, sparse-checkout: "*.md\\n!/lib/*", sparse-checkout-cone-mode: false }
      - run: for one in cone patterns; do (cd $one && find . -name .git -prune -o -type f -print | sort | xargs echo); done
`,
  )
  assert.deepEqual((await outputOf(build, pushed, 'shallow')).slice(1), [pushed.commit, '1', 'main', 'old'])
  assert.deepEqual((await outputOf(build, pushed, 'deep')).slice(1), ['2'])
  assert.deepEqual((await outputOf(build, pushed, 'sparse')).slice(2), [
    './a.txt ./docs/x.md ./docs/y.txt ./lib/z.md', // in cone mode the files of the root are there, too
    './docs/x.md',
  ])
})

test('what a job leaves running ends with it, wherever it went', async () => {
  await using build = await openTestBuild()
  const sleepers = [1, 2, 3, 4].map(ownSeconds)
  await run(
    build,
    `
on: push
jobs:
  daemon:
    runs-on: x
    steps:
      - run: |
          sleep ${sleepers[0]} &
          setsid sleep ${sleepers[1]} > /dev/null 2>&1 &
          (env -i setsid sleep ${sleepers[2]} > /dev/null 2>&1 &)
          (cd / && nohup setsid sleep ${sleepers[3]} > /dev/null 2>&1 &)
          echo started
`,
  )
  assert.deepEqual(sleepers.filter(isSleeping), [])
})

test("a step's time limit is a failure and ends its whole tree; the job goes on with always()", async () => {
  await using build = await openTestBuild()
  const [one = '', other = ''] = [5, 6].map(ownSeconds)
  const pushed = await run(
    build,
    `
on: push
jobs:
  slow:
    runs-on: x
    steps:
      - { timeout-minutes: 0.005, run: "sleep ${one} & sleep ${other}" }
      - { if: always(), run: echo still }
`,
  )
  const verified = await build.verified(pushed)
  assert.equal(verified.failure?.detail, `Run sleep ${one} & sleep ${other}: it took longer than 0.005 minutes`)
  assert.ok((await outputOf(build, pushed, 'slow')).includes('still'))
  assert.deepEqual([one, other].filter(isSleeping), [])
})

test('cancelling ends the running step, runs those with always(), and leaves nothing', async () => {
  await using build = await openTestBuild()
  const seconds = ownSeconds(7)
  const yaml = `
on: push
jobs:
  long:
    runs-on: x
    steps:
      - run: sleep ${seconds}
      - { if: always(), run: echo cleaned }
      - { run: echo not reached }
  next: { needs: long, runs-on: x, steps: [{ run: echo no }] }
`
  const pushed = await build.push({ '.github/workflows/ci.yml': yaml })
  await until(() => isSleeping(seconds))
  const [{ run: id, project } = { run: '', project: '' }] = await build.build.runs(defaultProject, { limit: 1 })
  assert.equal(project, 'default')
  assert.equal(await build.build.cancel(defaultProject, id, 'user:alice'), 'cancelling')
  assert.equal((await build.verified(pushed)).conclusion, 'cancelled')
  assert.ok((await outputOf(build, pushed, 'long')).includes('cleaned'))
  assert.deepEqual(conclusionsOf(await build.facts()), { long: 'cancelled', next: 'cancelled', run: 'cancelled' })
  assert.equal(isSleeping(seconds), false)
  assert.equal(await build.build.cancel(defaultProject, id, 'user:alice'), 'finished')
  assert.equal(await build.build.cancel(defaultProject, 'run-99', 'user:alice'), 'unknown')
})

test('a matrix runs its rows; fail-fast cancels the others', async () => {
  await using build = await openTestBuild()
  const pushed = await run(
    build,
    `
on: push
jobs:
  plan:
    runs-on: x
    outputs: { list: "#{ steps.l.outputs.list }}" }
    steps: [{ id: l, run: "echo 'list=[1,2]' >> $GITHUB_OUTPUT" }]
  rows:
    needs: plan
    runs-on: x
    strategy: { matrix: { n: "#{ fromJSON(needs.plan.outputs.list) }}" } }
    steps: [{ run: "echo row #{ matrix.n }} of #{ strategy.job-total }}" }]
  fast:
    runs-on: x
    strategy: { matrix: { s: [exit 1, sleep 3641] } }
    steps: [{ run: "#{ matrix.s }}" }]
`,
  )
  assert.deepEqual(await outputOf(build, pushed, 'rows.1'), ['row 1 of 2'])
  assert.deepEqual(await outputOf(build, pushed, 'rows.2'), ['row 2 of 2'])
  const { plan, ...others } = conclusionsOf(await build.facts())
  assert.deepEqual(
    [plan, others],
    [
      'success',
      { 'rows.1': 'success', 'rows.2': 'success', 'fast.1': 'failure', 'fast.2': 'cancelled', run: 'failure' },
    ],
  )
})

test('a log can be followed while the job writes it', { timeout: 30_000 }, async () => {
  await using build = await openTestBuild()
  const yaml =
    'on: push\njobs: { a: { runs-on: x, steps: [{ run: "echo early; until test -e $RUNNER_TEMP/go; do sleep 0.02; done; echo late" }] } }\n'
  const pushed = await build.push({ '.github/workflows/ci.yml': yaml })
  await until(async () => (await build.facts()).some((one) => isFact(jobStarted, one)))
  const seen: string[] = []
  for await (const { text } of build.build.followLog('run-1', 'a', { follow: true })) {
    seen.push(text)
    // The job waits for this: were the log not followed, it would never end.
    if (text === 'early') writeFileSync(join(build.home.workspaces, 'run-1/a/temp/go'), '')
  }
  assert.deepEqual(seen.slice(-2), ['early', 'late'])
  await build.verified(pushed)
})

const until = async (condition: () => boolean | Promise<boolean>): Promise<void> => {
  while (!(await condition())) await new Promise((resolve) => setTimeout(resolve, 10))
}

test('who follows a run, its event or a log is told at once that the server stops', { timeout: 30_000 }, async () => {
  await using build = await openTestBuild()
  await build.push({
    '.github/workflows/ci.yml': 'on: push\njobs: { a: { runs-on: x, steps: [{ run: "echo begun; sleep 600" }] } }',
  })
  const signal = new AbortController().signal
  const log = build.build.followLog('run-1', 'a', { follow: true, signal })
  await build.until((facts) => facts.find((one) => isFact(jobStarted, one)))
  const told = [build.build.follow(defaultProject, 'run-1', signal), log]
  const first = await Promise.all(told.map((lines) => lines[Symbol.asyncIterator]().next()))
  assert.deepEqual(
    first.map(({ done }) => done),
    [false, false],
  )
  const toTheEnd = async (lines: AsyncIterable<unknown>): Promise<void> => {
    for await (const _ of lines);
  }
  const ended = Promise.all(told.map(toTheEnd))
  build.build.hangUp()
  await ended
})

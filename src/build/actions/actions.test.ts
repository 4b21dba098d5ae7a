import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { test } from 'node:test'
import { setTimeout } from 'node:timers/promises'
import { isFact } from '../../ledger/fact.ts'
import { defaultProject } from '../../names.ts'
import { jobFinished } from '../facts.ts'
import { openTestBuild, type Pushed, type TestBuild } from '../testing.ts'

type Files = Readonly<Record<string, string>>

/** Pushes these files with a workflow of one job of these steps, and waits until it has ended; `#{` stands for `${{`. */
const run = async (build: TestBuild, steps: string, files: Files = {}): Promise<Pushed> => {
  const job = `on: push\njobs:\n  job:\n    runs-on: x\n    env: { FROM: job }\n    defaults: { run: { shell: "sh -e {0}" } }\n    steps:\n${steps}`
  const all = { ...files, '.github/workflows/ci.yml': job }
  const texts = Object.entries(all).map(([path, text]) => [path, text.replaceAll('#{', '${{')])
  const pushed = await build.push(Object.fromEntries(texts))
  await build.verified(pushed)
  return pushed
}

const resultOf = async (build: TestBuild, pushed: Pushed) => {
  const facts = (await build.facts()).filter(({ seq }) => seq > pushed.seq)
  const finished = facts.find((one) => isFact(jobFinished, one))
  assert.ok(finished && isFact(jobFinished, finished))
  return finished.payload
}

/** What the steps printed themselves. */
const outputOf = async (build: TestBuild, pushed: Pushed): Promise<string[]> => {
  const lines: string[] = []
  let isInHead = false
  for (const line of await build.log(pushed, 'job')) {
    if (line.startsWith('##[group]')) isInHead = true
    else if (line === '##[endgroup]') isInHead = false
    else if (!isInHead) lines.push(line)
  }
  return lines
}

/** A repository of these files with a tag `v1`, in a directory that is removed with the test. */
const repositoryOf = (files: Files): Disposable & { readonly path: string } => {
  const path = mkdtempSync(join(tmpdir(), 'headway-action-'))
  chmodSync(path, 0o711)
  const git = (...args: string[]): void => {
    execFileSync('git', ['-C', path, '-c', 'user.name=a', '-c', 'user.email=a@b', ...args], { stdio: 'ignore' })
  }
  git('init', '-q', '-b', 'main')
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(dirname(join(path, name)), { recursive: true })
    writeFileSync(join(path, name), text.replaceAll('#{', '${{'))
  }
  git('add', '-A')
  git('commit', '-q', '-m', 'action')
  git('tag', 'v1')
  return { path, [Symbol.dispose]: () => rmSync(path, { recursive: true, force: true }) }
}

const greeter: Files = {
  'action.yml': `
name: Greeter
inputs:
  who-is it: { default: "nobody" }
  Loud: { default: "#{ github.ref_name }}" }
outputs: { said: { description: what it said } }
runs: { using: node20, pre: pre.js, main: dist/main.js, post: post.js, post-if: "always()" }
`,
  'pre.js': `
const fs = require('fs')
console.log('pre ' + process.env.FROM)
fs.appendFileSync(process.env.GITHUB_STATE, 'from-pre=kept\\n')
`,
  'dist/main.js': `
const fs = require('fs')
const { env } = process
console.log('main', env['INPUT_WHO-IS_IT'], env.INPUT_LOUD, env['STATE_from-pre'], env.GITHUB_ACTION_REPOSITORY, env.GITHUB_ACTION_REF)
fs.appendFileSync(env.GITHUB_OUTPUT, 'said=hello ' + env['INPUT_WHO-IS_IT'] + '\\n')
console.log('::save-state name=pid::42')
fs.appendFileSync(env.GITHUB_STEP_SUMMARY, '# Greeted\\n')
if (env.FAIL) process.exit(3)
`,
  'post.js': `console.log('post', process.env['STATE_from-pre'], process.env.STATE_pid, process.env['INPUT_WHO-IS_IT'])`,
  'nested/action.yml': `
name: Nested
inputs: { who: { required: true } }
outputs: { said: { value: "#{ steps.greet.outputs.said }} by nested" } }
runs:
  using: composite
  steps:
    - id: greet
      uses: acme/greeter@v1
      with: { who-is it: "#{ inputs.who }}" }
    - run: echo "in $GITHUB_ACTION_PATH" | sed 's|.*/actions/|at |'; echo "$FROM $OWN"
      shell: bash
      env: { OWN: "#{ steps.greet.outputs.said }}" }
`,
}

test('a mirrored JavaScript action runs before, in and after the steps, and hands its state on', async () => {
  await using build = await openTestBuild()
  using repository = repositoryOf(greeter)
  const mirrored = await build.build.actions.mirror(
    { name: 'Acme/Greeter', ref: 'v1', from: repository.path },
    'user:root',
  )
  assert.deepEqual(
    [mirrored.name, [...mirrored.versions].sort(), mirrored.by],
    ['acme/greeter', ['main', 'v1'], 'user:root'],
  )
  const pushed = await run(
    build,
    `
      - run: echo first
      - { id: one, uses: acme/greeter@v1, with: { WHO-IS it: Ann, extra: x } }
      - { uses: Acme/Greeter@main, env: { FAIL: "1" }, continue-on-error: true }
      - run: echo "#{ steps.one.outputs.said }} #{ steps.one.outcome }}"
      - { uses: acme/greeter/nested@v1, id: nested, with: { who: Bob } }
      - run: echo "#{ steps.nested.outputs.said }} [#{ contains(toJSON(steps), 'greet') }}]"
`,
  )
  assert.deepEqual(await outputOf(build, pushed), [
    ...['pre job', 'pre job', 'pre job', 'first'],
    "##[warning]Unexpected input(s) 'extra', valid inputs are ['who-is it', 'Loud']",
    'main Ann main kept acme/greeter v1',
    'main nobody main kept Acme/Greeter main',
    '##[warning]Run Acme/Greeter@main: it ended with exit code 3',
    'hello Ann success',
    'main Bob main kept acme/greeter v1',
    ...['at 1/nested', 'job hello Bob'],
    'hello Bob by nested [false]',
    ...['post kept 42 Bob', 'post kept 42 nobody', 'post kept 42 Ann'],
  ])
  const { conclusion, steps, annotations } = await resultOf(build, pushed)
  assert.equal(conclusion, 'success')
  assert.deepEqual(
    steps.map(({ name, outcome, conclusion }) => `${name}: ${outcome}/${conclusion}`),
    [
      ...['Pre Run acme/greeter@v1', 'Pre Run Acme/Greeter@main', 'Pre Run acme/greeter/nested@v1'].map(
        (name) => `${name}: success/success`,
      ),
      'Run echo first: success/success',
      'Run acme/greeter@v1: success/success',
      'Run Acme/Greeter@main: failure/success',
      'Run echo "hello Ann success": success/success',
      'Run acme/greeter/nested@v1: success/success',
      'Run echo "hello Bob by nested [false]": success/success',
      ...['Post Run acme/greeter/nested@v1', 'Post Run Acme/Greeter@main', 'Post Run acme/greeter@v1'].map(
        (name) => `${name}: success/success`,
      ),
    ],
  )
  assert.deepEqual(
    annotations?.map(({ level, step }) => `${level} ${step}`),
    ['warning Run acme/greeter@v1'],
  )
  assert.equal(await build.build.summary('run-1', 'job'), '# Greeted\n'.repeat(3))
})

test('a composite action of the workspace has its own scope, outputs even when it fails, and no defaults of the job', async () => {
  await using build = await openTestBuild()
  const pushed = await run(
    build,
    `
      - uses: actions/checkout@v4
      - run: exit 1
        continue-on-error: true
      - { id: mixed, uses: ./actions/mixed, with: { flag: true }, continue-on-error: true, env: { STEP: outer } }
      - run: |
          echo "[#{ steps.mixed.outputs.early }}] [#{ steps.mixed.outputs.late }}] #{ steps.mixed.outcome }}"
          echo "$ADDED [#{ contains(toJSON(steps), 'inner') }}] [$STEP]"
`,
    {
      'actions/mixed/action.yaml': `
name: Mixed
inputs: { flag: {}, other: { default: "#{ github.event_name }}" } }
outputs: { early: { value: "#{ steps.inner.outputs.value }}" }, late: { value: "#{ steps.never.outputs.value }}" } }
runs:
  using: composite
  steps:
    - id: inner
      shell: bash
      run: |
        echo "value=1" >> "$GITHUB_OUTPUT"; echo "ADDED=by composite" >> "$GITHUB_ENV"
        echo "#{ inputs.flag == 'true' }} #{ inputs.other }} $STEP $FROM \${BASH_VERSION:+bash}"
    - { run: 'echo "$ADDED"; exit 7', shell: sh, id: broken }
    - { run: echo not reached, shell: sh, id: never }
    - { run: 'echo "cleaned #{ steps.broken.outcome }} #{ github.action_status }}"', shell: sh, if: failure() }
    - { run: 'echo always', shell: sh, if: always() }
`,
    },
  )
  assert.deepEqual((await outputOf(build, pushed)).slice(2), [
    'true push outer job bash',
    'by composite',
    '##[error]Run echo "$ADDED"; exit 7: it ended with exit code 7',
    'cleaned failure failure',
    'always',
    '##[warning]Run ./actions/mixed: Run echo "$ADDED"; exit 7: it ended with exit code 7',
    '[1] [] failure',
    'by composite [false] []',
  ])
})

test('what a job uses and cannot have is said at once, before anything runs', async () => {
  process.env.DOCKER_HOST = 'unix:///nonexistent' // whatever engine this machine has
  await using build = await openTestBuild()
  using recursive = repositoryOf({
    'action.yml': 'name: r\nruns: { using: composite, steps: [{ uses: acme/recursive@v1 }] }\n',
    'broken/action.yml': 'name: b\nruns: { using: node3, main: x }\n',
    'secretive/action.yml': 'name: s\nruns: { using: composite, steps: [{ run: "#{ secrets.X }}", shell: sh }] }\n',
    'box/Dockerfile': 'FROM scratch\n',
  })
  await build.build.actions.mirror({ name: 'acme/recursive', ref: null, from: recursive.path }, 'user:root')
  const pushed = await run(
    build,
    `
      - run: echo never
      - uses: some/action@v1
      - uses: actions/unheard-of@v1
      - uses: default/shop@v9
      - uses: acme/recursive@v2
      - uses: acme/recursive@v1
      - uses: acme/recursive/broken@v1
      - uses: acme/recursive/secretive@v1
      - uses: acme/recursive/none@v1
      - uses: acme/recursive/box@v1
      - uses: docker://alpine:3
`,
  )
  const { failure, steps } = await resultOf(build, pushed)
  assert.deepEqual(steps, [])
  assert.equal(failure?.command, 'uses: some/action@v1')
  const said = [failure?.detail, ...(failure?.lastLines ?? [])]
  const expected = [
    /^some\/action@v1 is not mirrored here, .* headway actions mirror some\/action$/,
    /^actions\/unheard-of@v1 is not mirrored here/,
    /^default\/shop@v9: default\/shop is here, but has no tag, branch or full commit v9/,
    /^acme\/recursive@v2: acme\/recursive is here, but has no tag/,
    /Composite action depth exceeded max depth 10: an action in it uses one more$/,
    /^acme\/recursive@v1:broken\/action.yml: using: node3 is not supported/,
    /^acme\/recursive@v1:secretive\/action.yml:.*secrets/,
    /Can't find 'action.yml', 'action.yaml' or 'Dockerfile' under 'acme\/recursive\/none@v1'/,
    /^acme\/recursive\/box@v1 runs in a container, and there is no Docker Engine/,
    /^docker:\/\/alpine:3 runs in a container/,
  ]
  assert.equal(said.length, expected.length, said.join('\n'))
  for (const [at, pattern] of expected.entries()) assert.match(said[at] ?? '', pattern)
})

test('an action of the project itself is found on this Git host, another project’s is not', async () => {
  await using build = await openTestBuild()
  const action = {
    'tool/action.yml': 'name: t\nruns: { using: composite, steps: [{ run: echo from here, shell: sh }] }\n',
  }
  await run(build, '      - run: echo pushed\n', action)
  const own = await run(build, '      - uses: default/shop/tool@main\n')
  assert.deepEqual(await outputOf(build, own), ['from here'])
  const other = await run(build, '      - uses: other/shop/tool@main\n')
  assert.match((await resultOf(build, other)).failure?.detail ?? '', /^other\/shop\/tool@main is not mirrored here/)
})

test('nothing is fetched from elsewhere but from the upstream that is allowed, for whom it is', async () => {
  await using build = await openTestBuild()
  using repository = repositoryOf(greeter)
  const upstream = mkdtempSync(join(tmpdir(), 'headway-upstream-'))
  try {
    mkdirSync(join(upstream, 'acme'))
    execFileSync('git', ['clone', '-q', '--bare', repository.path, join(upstream, 'acme/greeter')])
    const url = `file://${upstream}`
    await build.build.actions.setUpstream({ url, allowed: ['somebody'] }, 'user:root')
    const refused = await run(build, '      - uses: acme/greeter@v1\n')
    assert.match((await resultOf(build, refused)).failure?.detail ?? '', /is not mirrored here/)
    await build.build.actions.setUpstream({ url, allowed: ['acme/greeter'] }, 'user:root')
    const fetched = await run(build, '      - uses: acme/greeter@v1\n')
    assert.equal((await resultOf(build, fetched)).conclusion, 'success')
    const [mirrored] = await build.build.actions.list()
    assert.deepEqual(
      [mirrored?.name, mirrored?.from, mirrored?.by],
      ['acme/greeter', `${url}/acme/greeter`, 'system:build'],
    )
    assert.equal(await build.build.actions.remove('acme/greeter', 'user:root'), true)
    assert.equal(await build.build.actions.remove('acme/greeter', 'user:root'), false)
    assert.deepEqual(await build.build.actions.list(), [])
  } finally {
    rmSync(upstream, { recursive: true, force: true })
  }
})

test('a mirror is taken from http, https and paths only, and never with a password', async () => {
  await using build = await openTestBuild()
  const from = [
    'ext::sh -c id',
    'ssh://host/x',
    'https://user:pass@host/x',
    'git@host:x',
    './relative',
    '--upload-pack=id',
  ]
  for (const one of from)
    await assert.rejects(
      build.build.actions.mirror({ name: 'a/b', ref: null, from: one }, 'user:root'),
      /is no place to mirror/,
      one,
    )
  await assert.rejects(
    build.build.actions.mirror({ name: 'a/b', ref: null, from: '/nonexistent' }, 'user:root'),
    /could not be fetched/,
  )
  await assert.rejects(
    build.build.actions.mirror({ name: '../b', ref: null, from: '/x' }, 'user:root'),
    /is no name of an action/,
  )
  assert.deepEqual(await build.build.actions.list(), [])
})

test('posts run last in, first out when the job is cancelled, and a step that still holds goes on', async () => {
  await using build = await openTestBuild()
  using repository = repositoryOf(greeter)
  await build.build.actions.mirror({ name: 'acme/greeter', ref: null, from: repository.path }, 'user:root')
  const job = `on: push\njobs:\n  job:\n    runs-on: x\n    steps:\n      - { uses: acme/greeter@v1, with: { who-is it: first } }\n      - { uses: acme/greeter@v1, with: { who-is it: second } }\n      - run: trap 'echo interrupted; exit 1' INT; echo waiting; sleep 60 & wait\n      - run: echo not reached\n      - { run: echo told, if: cancelled() }\n`
  const pushed = await build.push({ '.github/workflows/ci.yml': job })
  const id = await waitingRun(build)
  await build.build.cancel(defaultProject, id, 'user:alice')
  const verified = await build.verified(pushed)
  assert.equal(verified.conclusion, 'cancelled')
  const printed = (await outputOf(build, pushed)).filter((line) => /^(interrupted|told|not|post)/.test(line))
  assert.deepEqual(printed, ['interrupted', 'told', 'post kept 42 second', 'post kept 42 first'])
})

/** The run whose job has said that it is waiting. */
const waitingRun = async (build: TestBuild): Promise<string> => {
  for (;;) {
    const [run] = await build.build.runs(defaultProject, { limit: 1 })
    for await (const { text } of build.build.followLog(run?.run ?? 'none', 'job'))
      if (text === 'waiting') return run?.run ?? ''
    await setTimeout(10)
  }
}

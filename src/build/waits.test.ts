import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { fact, isFact, type RecordedFact } from '../ledger/fact.ts'
import { openTestLedger } from '../ledger/testing.ts'
import { defaultProject } from '../names.ts'
import { testClock } from '../testing.ts'
import {
  buildFacts,
  jobFinished,
  jobStarted,
  jobWaiting,
  mainBroken,
  pushVerified,
  runFinished,
  runRerunRequested,
  runStarted,
} from './facts.ts'
import { openTestBuild, type TestBuild } from './testing.ts'
import { buildView } from './views.ts'
import { type Approval, createWaits } from './waits.ts'

/** A workflow file; `#{` stands for `${{`. */
const file = (yaml: string): string => yaml.replaceAll('#{', '${{')

/** A file that lets jobs go on which wait for it; others may look into the home. */
const gateOf = (build: TestBuild, name: string): string => join(build.home.root, name)
const open = (build: TestBuild, name: string): void => writeFileSync(gateOf(build, name), '')
const waitFor = (build: TestBuild, name: string): string =>
  `while ! test -e ${gateOf(build, name)}; do sleep 0.02; done`

const hasStarted = (run: string) => (facts: readonly RecordedFact[]) =>
  facts.find((one) => isFact(runStarted, one) && one.payload.run === run)
const endOf = (run: string) => (facts: readonly RecordedFact[]) => {
  const found = facts.find((one) => isFact(runFinished, one) && one.payload.run === run)
  return found && isFact(runFinished, found) ? found.payload : undefined
}
const waits = (job: string) => (facts: readonly RecordedFact[]) =>
  facts.find((one) => isFact(jobWaiting, one) && one.payload.job === job)
const jobEnd = (job: string) => (facts: readonly RecordedFact[]) => {
  const found = facts.findLast((one) => isFact(jobFinished, one) && one.payload.job === job)
  return found && isFact(jobFinished, found) ? found.payload : undefined
}

test('of a concurrency group one run runs, the newest waits, and what it replaces is cancelled; also after a restart', async () => {
  await using build = await openTestBuild()
  const workflow = (group: string): string =>
    `on: push\nconcurrency: ${group}\njobs: { a: { runs-on: x, steps: [{ run: "${waitFor(build, 'gate')}" }] } }\n`
  const first = await build.push({ '.github/workflows/ci.yml': workflow('Deploy') })
  await build.until(hasStarted('run-1'))
  const second = await build.push({ '.github/workflows/ci.yml': workflow('deploy') })
  await build.until((facts) => facts.find((one) => one.type === 'run.queued' && one.subject === 'run:run-2'))
  await build.restart()
  const third = await build.push({ '.github/workflows/ci.yml': workflow('DEPLOY') })
  assert.deepEqual(await build.until(endOf('run-2')), {
    run: 'run-2',
    conclusion: 'cancelled',
    failure: {
      job: null,
      step: null,
      command: null,
      exitCode: null,
      detail: 'run-3 took its place in the concurrency group deploy',
      lastLines: [],
      where: null,
    },
  })
  assert.equal((await build.verified(second)).conclusion, 'cancelled')
  assert.equal((await build.build.run(defaultProject, 'run-3'))?.waitsFor, 'run-1')
  assert.equal(hasStarted('run-3')(await build.facts()), undefined)
  open(build, 'gate')
  assert.equal((await build.verified(first)).conclusion, 'success')
  assert.equal((await build.verified(third)).conclusion, 'success')
  const order = (await build.facts()).flatMap((one) =>
    isFact(runFinished, one) || (isFact(runStarted, one) && one.payload.run === 'run-3')
      ? [`${one.type} ${one.subject}`]
      : [],
  )
  assert.deepEqual(order, [
    'run.finished run:run-2',
    'run.finished run:run-1',
    'run.started run:run-3',
    'run.finished run:run-3',
  ])
})

test('a newer run asks the one that runs to end where it says so', async () => {
  await using build = await openTestBuild()
  const workflow = (step: string): string =>
    `
on: push
concurrency: { group: '#{ github.ref }}', cancel-in-progress: "#{ github.ref == 'refs/heads/main' }}" }
jobs: { a: { runs-on: x, steps: [{ run: "${step}" }] } }
`.replaceAll('#{', '${{')
  const first = await build.push({ '.github/workflows/ci.yml': workflow('sleep 600') })
  await build.until((facts) => facts.find((one) => isFact(jobStarted, one)))
  const second = await build.push({ '.github/workflows/ci.yml': workflow('true') })
  const { conclusion, failure } = await build.verified(first)
  const why = 'run-2 took its place in the concurrency group refs/heads/main'
  assert.deepEqual([conclusion, failure?.detail], ['cancelled', why])
  assert.equal((await build.verified(second)).conclusion, 'success')
})

test('jobs of a group run one after another, and one that its own run would wait for does not wait for ever', async () => {
  await using build = await openTestBuild()
  const pushed = await build.push({
    '.github/workflows/ci.yml': file(`
on: push
concurrency: outer
jobs:
  rows:
    strategy: { matrix: { n: [1, 2] } }
    concurrency: { group: inner }
    runs-on: x
    steps: [{ run: '! test -e ${gateOf(build, 'busy')}' }]
  stuck: { concurrency: OUTER, runs-on: x, steps: [{ run: 'true' }] }
`),
  })
  const { conclusion, failure } = await build.verified(pushed)
  assert.deepEqual(
    [conclusion, failure?.detail],
    ['cancelled', 'the concurrency group OUTER is held by what this job is a part of'],
  )
  const ran = (await build.facts()).flatMap((one) =>
    isFact(jobStarted, one) || isFact(jobFinished, one) ? [`${one.payload.job} ${one.type}`] : [],
  )
  assert.deepEqual(
    ran.filter((text) => text.startsWith('rows')),
    ['rows.1 job.started', 'rows.1 job.finished', 'rows.2 job.started', 'rows.2 job.finished'],
  )
})

test('the group of a called workflow counts as well, and is left when the call has ended', async () => {
  await using build = await openTestBuild()
  const called = `
on: workflow_call
concurrency: shared
jobs: { inside: { runs-on: x, steps: [{ run: '${waitFor(build, 'gate')}' }] } }
`
  const pushed = await build.push({
    '.github/workflows/ci.yml': `
on: push
jobs:
  one: { uses: ./.github/workflows/called.yml }
  two: { concurrency: other, uses: ./.github/workflows/called.yml }
`,
    '.github/workflows/called.yml': called,
  })
  await build.until((facts) => facts.filter((one) => isFact(jobWaiting, one))[2])
  await build.until((facts) => facts.find((one) => isFact(jobStarted, one)))
  open(build, 'gate')
  assert.equal((await build.verified(pushed)).conclusion, 'success')
  const order = (await build.facts()).flatMap((one) =>
    isFact(jobStarted, one) || isFact(jobFinished, one) ? [`${one.payload.job} ${one.type}`] : [],
  )
  const [first = ''] = order
  const [caller, other] = first.startsWith('one') ? ['one', 'two'] : ['two', 'one']
  assert.deepEqual(order, [
    `${caller}.inside job.started`,
    `${caller}.inside job.finished`,
    `${caller} job.finished`,
    `${other}.inside job.started`,
    `${other}.inside job.finished`,
    `${other} job.finished`,
  ])
})

const deployment = `
on: push
jobs:
  deploy: { environment: Production, runs-on: x, outputs: { key: "#{ secrets.KEY }}" }, steps: [{ run: echo deployed }] }
  after: { needs: deploy, runs-on: x, steps: [{ run: 'true' }] }
`
const approved = { needsApproval: true, allowsOwnApproval: false, refs: null }

test('a job waits for the approval of its environment, through a restart, and gets its secrets after', async () => {
  const asked: (string | null | undefined)[] = []
  await using build = await openTestBuild({
    settings: {
      secrets: async (_source, _names, environment) => {
        asked.push(environment)
        return environment === 'production' ? { KEY: 'k3y-of-production' } : {}
      },
      variables: async () => ({}),
    },
  })
  await build.build.requests.protectEnvironment(defaultProject, 'production', approved, 'user:root')
  const pushed = await build.push({ '.github/workflows/ci.yml': file(deployment) })
  await build.until(waits('deploy'))
  assert.deepEqual(asked, [undefined])
  await build.restart()
  const answer = { environment: 'production', isApproved: true, comment: null }
  await assert.rejects(
    build.build.requests.decideApproval(defaultProject, 'run-1', answer, 'token:alice/laptop'),
    /alice caused run-1 and cannot approve its use of production/,
  )
  await assert.rejects(
    build.build.requests.decideApproval(defaultProject, 'run-1', { ...answer, environment: 'moon' }, 'user:bob'),
    /no job of run-1 waits for an approval of the environment moon/,
  )
  const [{ waiting = [], ...known } = {}, ...others] = await build.build.environments(defaultProject)
  assert.deepEqual([known, others], [{ environment: 'production', ...approved }, []])
  assert.deepEqual(
    waiting.map(({ queuedAt: _, ...job }) => job),
    [{ run: 'run-1', job: 'deploy', name: 'deploy', title: 'change', actor: 'user:alice' }],
  )
  assert.deepEqual(await build.build.requests.decideApproval(defaultProject, 'run-1', answer, 'user:bob'), ['deploy'])
  assert.equal((await build.verified(pushed)).conclusion, 'success')
  assert.deepEqual(asked, [undefined, undefined, undefined, 'production'])
  const log = await build.log(pushed, 'deploy')
  assert.ok(log.includes('deployed'))
  assert.ok(!log.join('\n').includes('k3y-of-production'))
})

test('an approval comes too late 30 days after the job began to wait, though nothing else is recorded', async () => {
  const clock = testClock()
  const day = 24 * 60 * 60_000
  await using opened = await openTestLedger({ definitions: buildFacts, views: [buildView], clock })
  const wait = { kind: 'approval', environment: 'production' } as const
  const payload = { run: 'run-1', job: 'deploy', name: 'Deploy', wait }
  await opened.ledger.append([fact(jobWaiting, { subject: 'run:run-1', actor: 'system:build', payload })])
  await clock.advance(10 * day)
  const waits = createWaits({ ...opened, clock }) // as after a restart
  const about = { run: 'run-1', attempt: 1, job: 'deploy' }
  let answer: Approval | null = null
  const approval = waits.approval(about, new AbortController().signal).then((said) => {
    answer = said
  })
  while (clock.sleeping === 0) await new Promise(setImmediate)
  await clock.advance(20 * day - 1)
  assert.equal(answer, null)
  await clock.advance(1)
  await approval
  assert.deepEqual([answer, clock.sleeping], [{ kind: 'expired' }, 0])
})

test('a run shows what its jobs were let into and where that is reached, as far as a browser may open it', async () => {
  await using build = await openTestBuild()
  const pushed = await build.push({
    '.github/workflows/ci.yml': file(`
on: push
jobs:
  told:
    runs-on: x
    environment: { name: Production, url: '#{ steps.deploy.outputs.url }}' }
    steps: [{ id: deploy, run: 'echo url=https://example.org/#{ github.sha }} >> "$GITHUB_OUTPUT"' }]
  odd: { runs-on: x, environment: { name: staging, url: 'javascript:alert(1)' }, steps: [{ run: 'true' }] }
  none: { runs-on: x, steps: [{ run: 'true' }] }
`),
  })
  assert.equal((await build.verified(pushed)).conclusion, 'success')
  const details = await build.build.run(defaultProject, 'run-1')
  assert.deepEqual(Object.fromEntries(details?.jobs.map(({ job, environment }) => [job, environment]) ?? []), {
    told: { name: 'Production', url: `https://example.org/${pushed.commit}` },
    odd: { name: 'staging', url: null },
    none: null,
  })
  assert.match((await build.log(pushed, 'odd')).join('\n'), /environment\.url is no http or https address: javascript:/)
})

test('a rejected job fails, and branches that may not use an environment do not wait for it', async () => {
  await using build = await openTestBuild()
  await build.build.requests.protectEnvironment(
    defaultProject,
    'Production',
    { ...approved, allowsOwnApproval: true, refs: ['main', 'v*'] },
    'user:root',
  )
  const pushed = await build.push({ '.github/workflows/ci.yml': file(deployment) })
  await build.until(waits('deploy'))
  const answer = { environment: 'production', isApproved: false, comment: 'not on Friday' }
  await build.build.requests.decideApproval(defaultProject, 'run-1', answer, 'user:alice')
  assert.equal(
    (await build.verified(pushed)).failure?.detail,
    'user:alice rejected the use of the environment Production: not on Friday',
  )
  const other = await build.push({}, { ref: 'refs/heads/topic' })
  assert.equal((await build.verified(other)).failure?.detail, 'topic is not allowed to use the environment Production')
})

test('a run that waits can be cancelled, and none of its jobs starts', async () => {
  await using build = await openTestBuild()
  await build.build.requests.protectEnvironment(defaultProject, 'production', approved, 'user:root')
  const pushed = await build.push({ '.github/workflows/ci.yml': file(deployment) })
  await build.until(waits('deploy'))
  assert.equal(await build.build.cancel(defaultProject, 'run-1', 'user:alice'), 'cancelling')
  assert.equal((await build.verified(pushed)).conclusion, 'cancelled')
  assert.equal(await build.build.cancel(defaultProject, 'run-1', 'user:alice'), 'finished')
  assert.equal((await build.facts()).filter((one) => isFact(jobStarted, one)).length, 0)
})

test('a run is run again as a whole or where it failed; what stands is taken over, and both attempts are kept', async () => {
  await using build = await openTestBuild()
  const pushed = await build.push({
    '.github/workflows/ci.yml': file(`
on: push
jobs:
  good: { runs-on: x, outputs: { value: "#{ github.run_attempt }}" }, steps: [{ run: 'true' }] }
  rows:
    strategy: { matrix: { n: [1, 2] }, fail-fast: false }
    runs-on: x
    steps: [{ run: 'test #{ matrix.n }} = 1 || test -e ${gateOf(build, 'mended')} || { echo broken; exit 3; }' }]
  call: { uses: ./.github/workflows/called.yml }
  after: { needs: [good, rows, call], runs-on: x, outputs: { seen: "#{ needs.good.outputs.value }} #{ github.run_attempt }} #{ github.triggering_actor }}" }, steps: [{ run: 'true' }] }
`),
    '.github/workflows/called.yml': 'on: workflow_call\njobs: { inside: { runs-on: x, steps: [{ run: "true" }] } }\n',
  })
  assert.equal((await build.verified(pushed)).failure?.exitCode, 3)
  open(build, 'mended')
  assert.deepEqual(await build.build.rerun(defaultProject, 'run-1', 'failed', 'user:bob'), {
    kind: 'queued',
    attempt: 2,
  })
  const seen = await build.until((facts) => {
    const end = jobEnd('after')(facts)
    return end?.outputs.seen === undefined ? undefined : end.outputs.seen
  })
  assert.equal(seen, '1 2 bob')
  await build.until((facts) => facts.filter((one) => one.type === 'push.verified')[1])
  const started = (await build.facts()).flatMap((one) => (isFact(jobStarted, one) ? [one.payload.job] : []))
  assert.deepEqual(started.sort(), ['after', 'call.inside', 'good', 'rows.1', 'rows.2', 'rows.2'])
  const attempt = async (number?: number) =>
    (await build.build.run(defaultProject, 'run-1', number))?.jobs.map(
      ({ job, conclusion, attempt: ranIn }) => `${job} ${conclusion} ${ranIn}`,
    )
  assert.deepEqual((await attempt())?.sort(), [
    'after success 2',
    'call success 1',
    'call.inside success 1',
    'good success 1',
    'rows.1 success 1',
    'rows.2 success 2',
  ])
  assert.deepEqual((await attempt(1))?.sort(), [
    'after skipped 1',
    'call success 1',
    'call.inside success 1',
    'good success 1',
    'rows.1 success 1',
    'rows.2 failure 1',
  ])
  const shown = async (number: number) =>
    (await build.build.run(defaultProject, 'run-1', number))?.jobs.map(({ job, name, needs }) => [
      job,
      name,
      needs.toSorted(),
    ])
  const graph = [
    ['after', 'after', ['call', 'good', 'rows.1', 'rows.2']],
    ['call', 'call', []],
    ['call.inside', 'call / inside', []],
    ['good', 'good', []],
    ['rows.1', 'rows (1)', []],
    ['rows.2', 'rows (2)', []],
  ]
  assert.deepEqual((await shown(1))?.sort(), graph)
  assert.deepEqual((await shown(2))?.sort(), graph)
  const logOf = async (number: number): Promise<string> => {
    const lines: string[] = []
    for await (const { text } of build.build.followLog('run-1', 'rows.2', { attempt: number })) lines.push(text)
    return lines.join('\n')
  }
  assert.match(await logOf(1), /^broken$/m)
  assert.doesNotMatch(await logOf(2), /^broken$/m)

  assert.deepEqual(await build.build.rerun(defaultProject, 'run-1', 'all', 'user:carol'), {
    kind: 'queued',
    attempt: 3,
  })
  assert.deepEqual(await build.build.rerun(defaultProject, 'run-1', 'all', 'user:carol'), { kind: 'unfinished' })
  await build.until((facts) => facts.filter((one) => one.type === 'push.verified')[2])
  assert.equal(jobEnd('after')(await build.facts())?.outputs.seen, '3 3 carol')
  assert.deepEqual(await build.build.rerun(defaultProject, 'run-9', 'all', 'user:carol'), { kind: 'unknown' })
})

test('a run that is asked to run again while the verdict on it is made does run again', async () => {
  await using build = await openTestBuild()
  const workflow = 'on: push\njobs: { a: { runs-on: x, steps: [{ run: "true" }] } }\n'
  const verdict = await build.verified(await build.push({ '.github/workflows/ci.yml': workflow }))
  await build.record(
    fact(runRerunRequested, {
      subject: 'run:run-1',
      actor: 'user:bob',
      payload: { run: 'run-1', attempt: 2, jobs: 'all' },
    }),
    fact(pushVerified, { subject: 'push:push-1', actor: 'system:build', payload: verdict }),
  )
  await build.until((facts) => facts.filter((one) => isFact(runFinished, one))[1])
  await build.until((facts) => facts.filter((one) => isFact(pushVerified, one))[2])
})

test('nothing of a push is released that a newer one has overtaken when it was run again', async () => {
  await using build = await openTestBuild()
  const workflow = `on: push\njobs: { a: { runs-on: x, steps: [{ run: 'test -e ${gateOf(build, 'mended')}' }] } }\n`
  await build.verified(await build.push({ '.github/workflows/ci.yml': workflow }))
  open(build, 'mended')
  await build.verified(await build.push({}))
  await build.build.rerun(defaultProject, 'run-1', 'failed', 'user:alice')
  const last = await build.until((facts) => facts.filter((one) => one.type === 'push.verified')[2])
  const { push, conclusion, isSuperseded } = pushVerified.payload.parse(last.payload)
  assert.deepEqual({ push, conclusion, isSuperseded }, { push: 'push-1', conclusion: 'success', isSuperseded: true })
})

test('a red main names who can mend it, until a push or another attempt has mended it', async () => {
  await using build = await openTestBuild()
  const workflow = `on: push\njobs: { a: { runs-on: x, steps: [{ run: 'test -e ${gateOf(build, 'mended')}' }] } }\n`
  const service = 'name: shop\nlanguage: node\nport: 80\nowner: team-shop\n'
  const files = {
    '.github/workflows/ci.yml': workflow,
    'headway.yaml': service,
    'package.json': '{"scripts":{"start":"x"}}',
  }
  const first = await build.push(files)
  await build.verified(first)
  await build.verified(await build.push({}, { ref: 'refs/heads/topic' }))
  const second = await build.push({})
  await build.verified(second)
  const [broken, still] = (await build.facts()).flatMap((one) => (isFact(mainBroken, one) ? [one.payload] : []))
  assert.ok(broken && still)
  const { failure, brokenSince, repository, ...rest } = broken
  assert.deepEqual(rest, {
    project: defaultProject,
    ref: 'refs/heads/main',
    push: 'push-1',
    commit: first.commit,
    runs: ['run-1'],
    wasBroken: false,
    pusher: 'user:alice',
    author: { name: 'Alice', email: 'alice@example.org' },
    owners: ['team-shop'],
  })
  assert.equal(failure?.exitCode, 1)
  assert.deepEqual([still.push, still.brokenSince, still.wasBroken], ['push-3', brokenSince, true])
  assert.deepEqual(await build.build.brokenMains(defaultProject), [still])
  open(build, 'mended')
  await build.build.rerun(defaultProject, 'run-3', 'failed', 'user:alice')
  await build.until((facts) => facts.find((one) => one.type === 'main.mended'))
  assert.deepEqual(await build.build.main(defaultProject, repository), {
    project: defaultProject,
    repository,
    broken: null,
  })
})

test('the rows that fail-fast ends say which one failed, also those that had not begun', async () => {
  await using build = await openTestBuild({ parallelJobs: 2 })
  const pushed = await build.push({
    '.github/workflows/ci.yml': file(`
on: push
jobs:
  rows:
    strategy: { matrix: { n: [1, 2, 3] } }
    runs-on: x
    steps: [{ run: 'test #{ matrix.n }} = 1 || sleep 600; ${waitFor(build, 'gate')}; exit 3' }]
`),
  })
  await build.until((facts) => facts.filter((one) => isFact(jobStarted, one))[1])
  open(build, 'gate')
  assert.equal((await build.verified(pushed)).failure?.exitCode, 3)
  const ended = (await build.build.run(defaultProject, 'run-1'))?.jobs ?? []
  const why = 'rows (1) failed, and fail-fast ends the rest of its matrix'
  assert.deepEqual(
    ended.map(({ name, conclusion, failure }) => [name, conclusion === 'failure' ? null : failure?.detail]).sort(),
    [
      ['rows (1)', null],
      ['rows (2)', why],
      ['rows (3)', why],
    ],
  )
})

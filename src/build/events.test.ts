import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isFact } from '../ledger/fact.ts'
import { defaultProject, RepositoryName } from '../names.ts'
import { jobFinished, pushVerified, runQueued, schedulesSet } from './facts.ts'
import { conclusionsOf, openTestBuild, type TestBuild } from './testing.ts'

const key = { project: defaultProject, repository: RepositoryName.parse('shop') }
/** A workflow file; `#{` stands for `${{`. */
const file = (yaml: string): string => yaml.replaceAll('#{', '${{')
const outputsOf = async (build: TestBuild): Promise<Record<string, Readonly<Record<string, string>>>> =>
  Object.fromEntries(
    (await build.facts()).flatMap((one) => (isFact(jobFinished, one) ? [[one.payload.job, one.payload.outputs]] : [])),
  )
const runsOf = async (build: TestBuild): Promise<[event: string, name: string, number: number][]> =>
  (await build.facts()).flatMap((one) =>
    isFact(runQueued, one) ? [[one.payload.eventName, one.payload.name, one.payload.number]] : [],
  )

test('an event starts the workflows that are for it, with its own context; without trust there is no secret', async () => {
  await using build = await openTestBuild({
    settings: { secrets: async () => ({ TOKEN: 'a-secret-value' }), variables: async () => ({}) },
  })
  const pushed = await build.push({
    '.github/workflows/check.yml': file(`
name: Check
on: { pull_request: { branches: [main] }, push: { branches: [never] } }
jobs:
  a:
    runs-on: x
    outputs:
      seen: "#{ github.event_name }} #{ github.base_ref }} #{ github.head_ref }} #{ github.ref }} #{ github.event.number }} #{ github.event.action }}"
      secret: "#{ secrets.TOKEN == '' && 'none' || 'some' }}"
    steps: [{ run: 'true' }]
`),
  })
  await build.verified(pushed)
  const about = { action: 'opened', ref: 'refs/pull/7/merge', baseRef: 'main', headRef: 'fix', payload: { number: 7 } }
  const seen = 'pull_request main fix refs/pull/7/merge 7 opened'
  const trusted = await build.raise('pull_request', pushed.commit, about)
  assert.deepEqual(trusted.runs, [
    { run: 'run-1', workflow: '.github/workflows/check.yml', name: 'Check', conclusion: 'success' },
  ])
  assert.equal(trusted.conclusion, 'success')
  assert.deepEqual(await outputsOf(build), { a: { seen, secret: 'some' } })
  await build.raise('pull_request', pushed.commit, { ...about, isTrusted: false })
  assert.deepEqual(await outputsOf(build), { a: { seen, secret: 'none' } })
  const other = await build.raise('pull_request', pushed.commit, { ...about, action: 'labeled' })
  assert.deepEqual(
    [other.conclusion, other.runs, other.notes],
    [
      'skipped',
      [],
      ['.github/workflows/check.yml does not run for pull_request labeled (types: opened, synchronize, reopened)'],
    ],
  )
})

test('a run knows whether its ref is protected, before its jobs begin and in them', async () => {
  await using build = await openTestBuild({
    settings: {
      secrets: async () => ({}),
      variables: async () => ({}),
      isProtected: async ({ repository, ref }) => repository === 'shop' && ref === 'refs/heads/main',
    },
  })
  const workflow = file(`
on: [push, pull_request]
run-name: "protected: #{ github.ref_protected }}"
jobs:
  a:
    if: github.ref_protected == (github.event_name == 'push')
    runs-on: x
    outputs: { seen: "#{ github.ref_protected }} #{ steps.s.outputs.seen }}" }
    steps: [{ id: s, run: 'echo "seen=$GITHUB_REF_PROTECTED" >> "$GITHUB_OUTPUT"' }]
`)
  const pushed = await build.push({ '.github/workflows/ci.yml': workflow })
  await build.verified(pushed)
  assert.deepEqual(await outputsOf(build), { a: { seen: 'true true' } })
  await build.raise('pull_request', pushed.commit, { action: 'opened', ref: 'refs/pull/7/merge', baseRef: 'main' })
  assert.deepEqual(await outputsOf(build), { a: { seen: 'false false' } })
  const titles = (await build.facts()).flatMap((one) => (isFact(runQueued, one) ? [one.payload.title] : []))
  assert.deepEqual(titles, ['protected: true', 'protected: false'])
})

test('a push tells of its commits', async () => {
  await using build = await openTestBuild()
  const workflow = file(`
on: push
jobs:
  a:
    runs-on: x
    outputs: { seen: "#{ github.event.commits[0].message }} by #{ github.event.head_commit.author.name }} #{ github.event.forced }}" }
    steps: [{ run: 'true' }]
`)
  await build.verified(await build.push({ '.github/workflows/ci.yml': workflow }, { message: 'Words\n\nand more' }))
  assert.deepEqual(await outputsOf(build), { a: { seen: 'Words\n\nand more by Alice false' } })
})

test('a message that asks to be skipped starts nothing, neither of a push nor of the change that it belongs to', async () => {
  await using build = await openTestBuild()
  const workflow =
    'on: [push, pull_request, workflow_dispatch]\njobs: { a: { runs-on: x, steps: [{ run: "true" }] } }\n'
  const pushed = await build.push({ '.github/workflows/ci.yml': workflow }, { message: 'Words [skip ci]' })
  const { conclusion, notes } = await build.verified(pushed)
  assert.deepEqual([conclusion, notes], ['skipped', ["the commit's message says [skip ci]"]])
  const payload = { pull_request: { head: { sha: pushed.commit } } }
  assert.equal((await build.raise('pull_request', pushed.commit, { action: 'opened', payload })).conclusion, 'skipped')
  const event = await build.build.requests.dispatch(key, { workflow: 'ci.yml', ref: null, inputs: {} }, 'user:alice')
  assert.equal((await build.concluded(event)).conclusion, 'success')
})

test('a dispatched workflow gets its inputs by their types; wrong ones are refused before anything runs', async () => {
  await using build = await openTestBuild()
  const pushed = await build.push({
    '.github/workflows/deploy.yml': file(`
name: Deploy
run-name: "Deploy to #{ inputs.target }}"
on:
  workflow_dispatch:
    inputs:
      target: { type: choice, options: [staging, production], required: true }
      dry: { type: boolean, default: true }
      count: { type: number, default: 2 }
jobs:
  a:
    runs-on: x
    outputs: { seen: "#{ inputs.target }} #{ !inputs.dry }} #{ inputs.count == 3 }} #{ github.event.inputs.dry }} #{ github.ref }}" }
    steps: [{ run: 'true' }]
`),
  })
  await build.verified(pushed)
  const dispatch = (inputs: Readonly<Record<string, string>>, ref: string | null = null) =>
    build.build.requests.dispatch(key, { workflow: 'deploy.yml', ref, inputs }, 'user:bob')
  await assert.rejects(dispatch({ target: 'moon' }), /Input target must be one of staging, production, not "moon"/)
  await assert.rejects(dispatch({ target: 'staging' }, 'nowhere'), /there is no refs\/tags\/nowhere in default\/shop/)
  await build.concluded(await dispatch({ target: 'production', count: '3', dry: 'false' }, 'main'))
  assert.deepEqual(await outputsOf(build), { a: { seen: 'production true true false refs/heads/main' } })
  const [run] = await build.build.runs(defaultProject, { limit: 1 })
  assert.deepEqual(run && [run.title, run.actor, run.number, run.eventName], [
    'Deploy to production',
    'user:bob',
    1,
    'workflow_dispatch',
  ])
})

test('what can be dispatched is told with its inputs as their file declares them, and a wrong one is refused at its name', async () => {
  await using build = await openTestBuild()
  const jobs = 'jobs: { a: { runs-on: x, steps: [{ run: "true" }] } }\n'
  const pushed = await build.push({
    '.github/workflows/deploy.yml': `name: Deploy
on:
  push:
  workflow_dispatch:
    inputs:
      target: { type: choice, options: [staging, production], required: true, description: Where to }
      dry: { type: boolean, default: true }
      count: { type: number, default: 2 }
      where: { type: environment }
      note: { default: none }
${jobs}`,
    '.github/workflows/ci.yml': `on: [push]\n${jobs}`,
    '.github/workflows/broken.yml': 'on: workflow_dispatch\njobs: 1\n',
    '.github/workflows/plain.yml': `on: workflow_dispatch\n${jobs}`,
  })
  const { requests } = build.build
  const none = { isRequired: false, description: null, options: [], default: null }
  assert.deepEqual(await requests.dispatchable(key, 'main'), {
    ref: 'refs/heads/main',
    workflows: [
      {
        workflow: 'deploy.yml',
        name: 'Deploy',
        inputs: [
          {
            ...{ name: 'target', type: 'choice', isRequired: true, description: 'Where to', default: null },
            options: ['staging', 'production'],
          },
          { ...none, name: 'dry', type: 'boolean', default: true },
          { ...none, name: 'count', type: 'number', default: 2 },
          { ...none, name: 'where', type: 'environment' },
          { ...none, name: 'note', type: 'string', default: 'none' },
        ],
      },
      { workflow: 'plain.yml', name: '.github/workflows/plain.yml', inputs: [] },
    ],
    faults: [".github/workflows/broken.yml:2:7: Unexpected value '1'"],
  })
  assert.deepEqual(await requests.dispatchable(key, null), await requests.dispatchable(key, 'main'))
  await assert.rejects(requests.dispatchable(key, 'nowhere'), { kind: 'unknown-ref' })
  const dispatch = (inputs: Readonly<Record<string, string>>) =>
    requests.dispatch(key, { workflow: 'deploy.yml', ref: null, inputs }, 'user:bob')
  await assert.rejects(dispatch({ target: 'staging', count: 'many' }), { where: { path: 'inputs.count' } })
  const ofBoth = 'Input target must be one of staging, production, not "moon"; Input count must be a number, not "many"'
  await assert.rejects(dispatch({ target: 'moon', count: 'many' }), { detail: ofBoth, where: undefined })
  await build.verified(pushed)
})

test('repository dispatches and releases start the workflows of their types', async () => {
  await using build = await openTestBuild()
  const pushed = await build.push(
    {
      '.github/workflows/told.yml': file(`
on: { repository_dispatch: { types: [deploy] }, release: { types: [published] } }
jobs:
  a:
    runs-on: x
    outputs: { seen: "#{ github.event.action }} #{ github.event.client_payload.to }}#{ github.event.release.tag_name }}" }
    steps: [{ run: 'true' }]
`),
    },
    { ref: 'refs/tags/v1' },
  )
  await build.push({})
  const told = (type: string) =>
    build.build.requests.dispatchRepository(key, { type, payload: { to: 'moon' } }, 'user:alice')
  assert.equal((await build.concluded(await told('test'))).conclusion, 'skipped')
  assert.equal((await build.concluded(await told('deploy'))).conclusion, 'success')
  assert.deepEqual(await outputsOf(build), { a: { seen: 'deploy moon' } })
  const note = { tag: 'v1', name: 'One', body: '', isPrerelease: false }
  const events = await build.build.requests.release(key, note, 'user:alice')
  const ends = await Promise.all(events.map((event) => build.concluded(event)))
  assert.deepEqual(
    ends.map(({ conclusion, commit }) => [conclusion, commit]),
    [
      ['skipped', pushed.commit],
      ['success', pushed.commit],
      ['skipped', pushed.commit],
    ],
  )
  assert.deepEqual(await outputsOf(build), { a: { seen: 'published v1' } })
})

test('a workflow that follows another runs after it, on the default branch, with how that ended', async () => {
  await using build = await openTestBuild()
  const after = file(`
name: After
on: { workflow_run: { workflows: [CI], types: [completed] } }
jobs:
  told:
    runs-on: x
    outputs: { seen: "#{ github.event.workflow_run.conclusion }} #{ github.event.workflow_run.head_branch }} #{ github.ref }}" }
    steps: [{ run: 'true' }]
`)
  const ci = 'name: CI\non: push\njobs: { a: { runs-on: x, steps: [{ run: exit 1 }] } }\n'
  await build.push({ '.github/workflows/after.yml': after })
  await build.push({ '.github/workflows/ci.yml': ci }, { ref: 'refs/heads/topic' })
  await build.concluded('run-1-1-completed')
  assert.deepEqual(await outputsOf(build), { a: {}, told: { seen: 'failure topic refs/heads/main' } })
  assert.deepEqual(await runsOf(build), [
    ['push', 'CI', 1],
    ['workflow_run', 'After', 1],
  ])
})

test('what follows a run of a pull request is told its branch, its newest commit and its number, not the merge', async () => {
  await using build = await openTestBuild()
  const after = file(`
name: After
on: { workflow_run: { workflows: [CI], types: [completed], branches: [topic] } }
jobs:
  told:
    runs-on: x
    env: { RUN: "#{ toJSON(github.event.workflow_run) }}" }
    outputs: { seen: "#{ github.event.workflow_run.head_repository.full_name == github.repository }} #{ github.event.workflow_run.head_sha == github.event.workflow_run.pull_requests[0].head.sha }} #{ github.event.workflow_run.head_sha != github.sha }} #{ github.event.workflow_run.pull_requests[0].number }} #{ github.event.workflow_run.head_commit.message }} #{ github.event.workflow_run.actor.login }} #{ github.event.workflow_run.display_title }} #{ github.event.workflow_run.html_url }}" }
    steps: [{ run: 'true' }]
`)
  const ci = 'name: CI\non: pull_request\nrun-name: The change\njobs: { a: { runs-on: x, steps: [{ run: "true" }] } }\n'
  const head = await build.push({ '.github/workflows/ci.yml': ci }, { ref: 'refs/heads/topic', message: 'Newest' })
  const main = await build.push({ '.github/workflows/after.yml': after, '.github/workflows/ci.yml': ci })
  const request = { number: 7, head: { ref: 'topic', sha: head.commit }, base: { ref: 'main', sha: main.commit } }
  const about = { action: 'opened', ref: 'refs/pull/7/merge', baseRef: 'main', headRef: 'topic' }
  await build.raise('pull_request', main.commit, { ...about, payload: { number: 7, pull_request: request } })
  await build.concluded('run-1-1-completed')
  const { told } = await outputsOf(build)
  const url = /http\S+$/.exec(told?.seen ?? '')?.[0] ?? ''
  assert.ok(url.endsWith('/projects/default/runs/run-1'), url)
  assert.equal(told?.seen?.slice(0, -url.length), 'true true true 7 Newest alice The change ')
})

test('a reusable workflow runs as a part of its caller, with inputs, secrets, a matrix and outputs', async () => {
  await using build = await openTestBuild({
    settings: {
      secrets: async (_, names) => Object.fromEntries(names.map((name) => [name, `value-of-${name}`])),
      variables: async () => ({ WHERE: 'here' }),
    },
  })
  const pushed = await build.push({
    '.github/workflows/main.yml': file(`
name: Main
on: push
permissions: { contents: read }
jobs:
  before: { runs-on: x, outputs: { n: '3' }, steps: [{ run: 'true' }] }
  call:
    needs: before
    strategy: { matrix: { who: [alice, bob] } }
    uses: ./.github/workflows/called.yml
    with: { name: "#{ matrix.who }}", count: "#{ fromJSON(needs.before.outputs.n) }}" }
    secrets: { key: "#{ secrets.GIVEN }}" }
  all: { uses: ./.github/workflows/called.yml, with: { name: all }, secrets: inherit }
  after:
    needs: [call, all]
    runs-on: x
    outputs: { seen: "#{ needs.call.outputs.alice }} #{ needs.call.outputs.bob }} #{ needs.all.outputs.all }} #{ needs.call.result }}" }
    steps: [{ run: 'true' }]
`),
    '.github/workflows/called.yml': file(`
name: Called
on:
  workflow_call:
    inputs: { name: { type: string, required: true }, count: { type: number }, fallback: { type: string, default: "#{ vars.WHERE }}" } }
    secrets: { key: {} }
    outputs:
      alice: { value: "#{ jobs.one.outputs.alice }}" }
      bob: { value: "#{ jobs.one.outputs.bob }}" }
      all: { value: "#{ jobs.one.outputs.all }}" }
jobs:
  one:
    runs-on: x
    outputs: { alice: "#{ steps.s.outputs.alice }}", bob: "#{ steps.s.outputs.bob }}", all: "#{ steps.s.outputs.all }}" }
    steps:
      - id: s
        run: |
          test "$SECRET" = "$WANTED" || { echo "no: $SECRET"; exit 1; }
          echo "#{ inputs.name }}=#{ inputs.count }} #{ github.workflow }} #{ github.event_name }} #{ inputs.fallback }}" >> $GITHUB_OUTPUT
        env:
          SECRET: "#{ secrets.key }}-#{ secrets.GIVEN }}"
          WANTED: "#{ inputs.name == 'all' && 'value-of-key-value-of-GIVEN' || 'value-of-GIVEN-' }}"
`),
  })
  const { conclusion, failure } = await build.verified(pushed)
  assert.deepEqual([conclusion, failure], ['success', null])
  assert.deepEqual((await outputsOf(build)).after, {
    seen: '3 Main push here 3 Main push here 0 Main push here success',
  })
  assert.deepEqual(conclusionsOf(await build.facts()), {
    before: 'success',
    'call.1.one': 'success',
    'call.1': 'success',
    'call.2.one': 'success',
    'call.2': 'success',
    'all.one': 'success',
    all: 'success',
    after: 'success',
    run: 'success',
  })
  const details = await build.build.run(defaultProject, 'run-1')
  const ofAfter = ['all', 'call.1', 'call.2']
  assert.deepEqual(Object.fromEntries(details?.jobs.map(({ name, needs }) => [name, needs.toSorted()]) ?? []), {
    after: ofAfter,
    all: [],
    'all / one': [],
    before: [],
    'call (alice)': ['before'],
    'call (alice) / one': ['before'],
    'call (bob)': ['before'],
    'call (bob) / one': ['before'],
  })
})

test('a call that cannot be is refused before anything runs', async () => {
  await using build = await openTestBuild()
  const pushed = await build.push({
    '.github/workflows/main.yml':
      'on: push\njobs:\n  a: { runs-on: x, steps: [{ run: "true" }] }\n  b:\n    uses: other/repo/.github/workflows/x.yml@v1\n',
  })
  assert.deepEqual((await build.verified(pushed)).failure, {
    job: null,
    step: null,
    command: null,
    exitCode: null,
    detail:
      'job b cannot call other/repo/.github/workflows/x.yml@v1: there is no repository other/repo with v1 here, or you may not read it',
    lastLines: [],
    where: { file: '.github/workflows/main.yml', line: 5, column: 11 },
  })
  assert.deepEqual(conclusionsOf(await build.facts()), { run: 'failure' })
})

test('an event for a workflow that is not there any more says so', async () => {
  await using build = await openTestBuild()
  const pushed = await build.push({ file: 'text' })
  const { conclusion, notes } = await build.raise('schedule', pushed.commit, { workflow: '.github/workflows/gone.yml' })
  assert.deepEqual([conclusion, notes], ['skipped', ['there is no workflow .github/workflows/gone.yml at this commit']])
})

test('the schedules of the default branch are recorded when they change', async () => {
  await using build = await openTestBuild()
  const workflow = (crons: string): string =>
    `on: { schedule: [${crons}] }\njobs: { a: { runs-on: x, steps: [{ run: "true" }] } }\n`
  const one = workflow("{ cron: '0 3 * * *' }")
  await build.verified(await build.push({ '.github/workflows/nightly.yml': one }))
  await build.verified(await build.push({ other: 'text' }))
  await build.verified(
    await build.push({ '.github/workflows/nightly.yml': workflow("{ cron: '5 3 * * *', timezone: Europe/Berlin }") }),
  )
  await build.verified(await build.push({ '.github/workflows/nightly.yml': one }, { ref: 'refs/heads/topic' }))
  const file = '.github/workflows/nightly.yml'
  assert.deepEqual(
    (await build.facts()).flatMap((fact) => (isFact(schedulesSet, fact) ? [fact.payload.schedules] : [])),
    [
      [{ workflow: file, cron: '0 3 * * *', timezone: null }],
      [{ workflow: file, cron: '5 3 * * *', timezone: 'Europe/Berlin' }],
    ],
  )
  const verdicts = (await build.facts()).filter((fact) => isFact(pushVerified, fact))
  assert.equal(verdicts.length, 4)
})

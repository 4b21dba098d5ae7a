import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { chmodSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { test } from 'node:test'
import { type LocalResult, openLocalEngine, runLocally } from './engine.ts'

const order = { workflow: null, event: { name: 'push' }, secrets: {}, variables: {}, actor: 'user:mona' }

test('a run of a working tree holds what is not committed, and neither what is ignored nor a trace afterwards', async () => {
  using tree = workingTree({
    '.gitignore': 'ignored\n',
    'committed.txt': 'old\n',
    'removed.txt': 'gone\n',
    '.github/workflows/ci.yml': steps(
      'cat committed.txt fresh.txt; ls',
      'git log --format=%s',
      'git status --porcelain',
    ),
  })
  tree.commit('First')
  tree.write({ 'committed.txt': 'changed\n', 'fresh.txt': 'new\n', ignored: 'x' })
  rmSync(join(tree.directory, 'removed.txt'))
  const before = tree.state()
  const result = await runLocally({ ...order, directory: tree.directory })
  const { log } = jobOf(result)
  assert.equal(result.conclusion, 'success')
  assert.deepEqual(printed(log), ['changed', 'new', 'committed.txt', 'fresh.txt', 'Uncommitted changes'])
  assert.deepEqual(tree.state(), before)
  assert.deepEqual(leftOvers(), [])
})

test('a tree without changes is run at its own commit, a folder without Git as it is', async () => {
  using tree = workingTree({ '.github/workflows/ci.yml': steps('git rev-parse HEAD') })
  await using engine = await openLocalEngine()
  const outside = await engine.run({ ...order, directory: tree.directory })
  const head = tree.commit('First')
  const inside = await engine.run({ ...order, directory: tree.directory })
  const [, found] = [printed(jobOf(outside).log)[0], printed(jobOf(inside).log)[0]]
  assert.equal(outside.conclusion, 'success')
  assert.equal(found, head)
})

test('a failure tells the step, the command, the exit code and the last lines', async () => {
  using tree = workingTree({ '.github/workflows/ci.yml': steps('echo one of three failed; exit 3') })
  const { conclusion, failure } = await runLocally({ ...order, directory: tree.directory })
  assert.equal(conclusion, 'failure')
  assert.deepEqual(
    [failure?.job, failure?.step, failure?.command, failure?.exitCode, failure?.lastLines],
    ['a', 'Run echo one of three failed; exit 3', 'echo one of three failed; exit 3', 3, ['one of three failed']],
  )
})

test('only what the event starts is run, and what was left out is told', async () => {
  using tree = workingTree({
    '.github/workflows/ci.yml':
      'on: { push: { branches: [other] } }\njobs: { a: { runs-on: x, steps: [{ run: exit 1 }] } }\n',
    '.github/workflows/by-hand.yml':
      'on: { workflow_dispatch: { inputs: { who: { type: string } } } }\njobs: { a: { runs-on: x, steps: [{ run: "echo hello ${{ inputs.who }}" }] } }\n',
  })
  await using engine = await openLocalEngine()
  const pushed = await engine.run({ ...order, directory: tree.directory })
  assert.deepEqual([pushed.conclusion, pushed.runs], ['skipped', []])
  assert.match(pushed.notes.join('\n'), /ci\.yml does not run for refs\/heads\/main/)
  const event = { name: null, inputs: { who: 'Mona' } }
  const dispatched = await engine.run({ ...order, directory: tree.directory, workflow: 'by-hand', event })
  assert.deepEqual(printed(jobOf(dispatched).log), ['hello Mona'])
  await assert.rejects(engine.run({ ...order, directory: tree.directory, workflow: 'nowhere' }), /no workflow nowhere/)
})

test('a job is run with those that it needs, and no others', async () => {
  using tree = workingTree({
    '.github/workflows/ci.yml': `on: push
jobs:
  build: { runs-on: x, steps: [{ run: echo build }] }
  test: { needs: build, runs-on: x, steps: [{ run: echo test }] }
  deploy: { needs: test, runs-on: x, steps: [{ run: echo deploy }] }
`,
  })
  await using engine = await openLocalEngine()
  const result = await engine.run({ ...order, directory: tree.directory, job: 'TEST' })
  assert.deepEqual(Object.keys(result.runs[0]?.jobs ?? {}), ['build', 'test'])
  await assert.rejects(engine.run({ ...order, directory: tree.directory, job: 'tset' }), /no job tset.*/)
})

test('a run that is cancelled ends with the steps that always run; one that is stopped ends at once', async () => {
  const lines = ['echo ready; sleep 60', 'echo never']
  using tree = workingTree({
    '.github/workflows/ci.yml': `${steps(...lines)}      - { if: always(), run: echo cleaned up }\n`,
  })
  const cancel = new AbortController()
  const cancelled = await runLocally(
    { ...order, directory: tree.directory, onLine: (_job, text) => text === 'ready' && cancel.abort() },
    { cancel: cancel.signal },
  )
  assert.equal(cancelled.conclusion, 'cancelled')
  assert.deepEqual(printed(jobOf(cancelled).log), ['ready', 'cleaned up'])
  const stop = new AbortController()
  const stopped = runLocally(
    {
      ...order,
      directory: tree.directory,
      onLine: (_job, text) => text === 'ready' && stop.abort(new Error('enough')),
    },
    { stop: stop.signal },
  )
  await assert.rejects(stopped, /enough/)
  assert.deepEqual(leftOvers(), [])
})

const steps = (...lines: readonly string[]): string =>
  `on: push\njobs:\n  a:\n    runs-on: x\n    steps:\n      - uses: actions/checkout@v4\n${lines.map((line) => `      - run: ${line}\n`).join('')}`

const jobOf = ({ runs }: LocalResult) => {
  const job = Object.values(runs[0]?.jobs ?? {})[0]
  assert.ok(job)
  return job
}

/** What the steps printed: without marks, scripts, and what the checkout says. */
const printed = (log: readonly string[]): string[] => {
  let isInHead = false
  return log.filter((line) => {
    if (line.startsWith('##[group]')) isInHead = true
    const isShown = !isInHead && !line.startsWith('##[') && !line.startsWith('HEAD is now at')
    if (line === '##[endgroup]') isInHead = false
    return isShown
  })
}

const leftOvers = (): string[] => readdirSync(tmpdir()).filter((name) => name.startsWith(`headway-run-${process.pid}-`))

/** A directory with these files in it, a Git repository from the first commit on. */
const workingTree = (files: Readonly<Record<string, string>>) => {
  const directory = mkdtempSync(join(tmpdir(), 'tree-'))
  chmodSync(directory, 0o700)
  const write = (more: Readonly<Record<string, string>>): void => {
    for (const [path, text] of Object.entries(more)) {
      mkdirSync(dirname(join(directory, path)), { recursive: true })
      writeFileSync(join(directory, path), text)
    }
  }
  const git = (...args: string[]): string =>
    execFileSync('git', args, { cwd: directory, env: gitEnvironment, encoding: 'utf8' }).trim()
  write(files)
  return {
    directory,
    write,
    commit: (message: string): string => {
      git('init', '-q', '-b', 'main')
      git('add', '-A')
      git('commit', '-q', '-m', message)
      return git('rev-parse', 'HEAD')
    },
    /** All that must not be changed. */
    state: () => [
      git('status', '--porcelain', '--ignored'),
      git('count-objects'),
      git('for-each-ref'),
      readFileSync(join(directory, '.git/index')).toString('base64'),
      readdirSync(directory),
    ],
    [Symbol.dispose]: () => rmSync(directory, { recursive: true, force: true }),
  }
}

const gitEnvironment = {
  PATH: process.env.PATH ?? '/usr/bin:/bin',
  HOME: '/nonexistent',
  GIT_CONFIG_NOSYSTEM: '1',
  GIT_AUTHOR_NAME: 'Mona',
  GIT_AUTHOR_EMAIL: 'mona@example.org',
  GIT_COMMITTER_NAME: 'Mona',
  GIT_COMMITTER_EMAIL: 'mona@example.org',
}

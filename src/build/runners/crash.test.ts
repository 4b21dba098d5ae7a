import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { allotPort } from '../../agent/ports.ts'
import { killedAt, lifeEnvironment, marksToKillAt, patienceMs, sideBySide } from '../../kills.testing.ts'
import { conclusionsOf, makeTestPlace } from '../testing.ts'

/** Its first job leaves a program behind, by which it is found, and then does this. */
const workflow = (then: string): string => `
on: push
jobs:
  one:
    runs-on: [self-hosted, elsewhere]
    outputs: { value: "\${{ steps.s.outputs.value }}" }
    steps:
      - uses: actions/checkout@v4
      - id: s
        run: |
          cat lock
          echo "key: \${{ secrets.KEY }}"
          echo value=1 >> "$GITHUB_OUTPUT"
          setsid sleep 3662 > /dev/null 2>&1 &
          ${then}
      - run: echo the end
  two:
    needs: one
    runs-on: [elsewhere]
    steps:
      - run: test "\${{ needs.one.outputs.value }}" = 1
      - id: greet
        uses: default/shop@main
      - run: test "\${{ steps.greet.outputs.word }}" = hello
`

const action = `
name: Greet
description: says hello
outputs: { word: { description: what it says, value: "\${{ steps.say.outputs.word }}" } }
runs:
  using: composite
  steps: [{ id: say, run: 'echo word=hello >> "$GITHUB_OUTPUT"', shell: sh }]
`

/** Passed only by a runner that was killed in the middle of a job. */
const afterKills = ['runner.remove-leftovers:before', 'runner.remove-leftovers:after']

const programOf = (path: string): string => fileURLToPath(new URL(path, import.meta.url))

/** Starts it again each time it dies of a failpoint, until it ends by itself or is told to. */
const keepRunning = (argv: readonly string[], environment: Record<string, string>, onLine: (line: string) => void) => {
  let child: ChildProcess | null = null
  let kills = 0
  let isOver = false
  let why = ''
  const ended = Promise.withResolvers<string>()
  const start = (): void => {
    let output = ''
    const started = spawn(process.execPath, ['--disable-warning=ExperimentalWarning', ...argv], {
      env: { ...lifeEnvironment(), HOME: '/nonexistent', ...environment },
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    child = started
    started.stdout.on('data', (chunk: Buffer) => {
      output += chunk.toString()
      for (const line of chunk.toString().split('\n')) onLine(line)
    })
    started.once('close', (exitCode, signal) => {
      if (signal === 'SIGKILL' && !isOver) {
        kills += 1
        start()
      } else ended.resolve(exitCode === 0 && why === '' ? output : `${why} ended with ${exitCode}: ${output}`)
    })
  }
  start()
  return {
    ended: ended.promise,
    kills: () => kills,
    kill: (): void => void child?.kill('SIGKILL'),
    stop: async (because = ''): Promise<void> => {
      isOver = true
      why = because
      child?.kill('SIGTERM')
      const patience = setTimeout(() => void child?.kill('SIGKILL'), 10_000)
      await ended.promise
      clearTimeout(patience)
    },
  }
}

type Told = { readonly facts: readonly { readonly type: string }[]; readonly log: readonly string[] }

/** A server and a runner, with failpoints for each; resolves to what the server told at the end. */
const live = async (
  root: string,
  environments: { server?: Record<string, string>; runner?: Record<string, string> },
  meddle: (parts: {
    server: ReturnType<typeof keepRunning>
    runner: ReturnType<typeof keepRunning>
  }) => Promise<void> = async () => undefined,
) => {
  const listening = Promise.withResolvers<string>()
  const port = String(await allotPort(new Set(), Math.random)) // the server comes back to it
  const server = keepRunning([programOf('server.testing.ts'), root, port], environments.server ?? {}, (line) => {
    const heard = /^listening (\d+)/.exec(line)?.[1]
    if (heard) listening.resolve(heard)
  })
  await listening.promise
  const words = ['runner', '--home', join(root, 'runner'), '--server', `http://127.0.0.1:${port}`]
  const runner = keepRunning(
    [
      programOf('../../main.ts'),
      ...words,
      '--token-file',
      join(root, 'token'),
      '--labels',
      'elsewhere',
      '--parallel',
      '2',
    ],
    environments.runner ?? {},
    () => undefined,
  )
  await meddle({ server, runner })
  const patience = setTimeout(() => void server.stop('it did not end within 150 s'), 150_000)
  const output = await server.ended
  clearTimeout(patience)
  await runner.stop()
  const last = output.trim().split('\n').at(-1) ?? ''
  const told: Told = last.startsWith('{') ? JSON.parse(last) : { facts: [], log: [output] }
  return { told, server, runner }
}

const newPlace = ({ isHeldUp = false } = {}): ReturnType<typeof makeTestPlace> => {
  const place = makeTestPlace()
  const then = isHeldUp ? 'while ! test -e go; do sleep 0.05; done' : 'sleep 1'
  place.commit(
    { '.github/workflows/ci.yml': workflow(then), lock: 'locked\n', 'action.yml': action },
    'refs/heads/main',
  )
  return place
}

const faultsOf = ({ facts, log }: Told, root: string): string[] => {
  const faults: string[] = []
  const check = (isRight: boolean, fault: string): void => {
    if (!isRight) faults.push(fault)
  }
  const count = (type: string): number => facts.filter((one) => one.type === type).length
  const conclusions = JSON.stringify(conclusionsOf(facts as Parameters<typeof conclusionsOf>[0]))
  check(
    conclusions === JSON.stringify({ one: 'success', two: 'success', run: 'success' }),
    `it concluded ${conclusions}: ${log.slice(-5).join(' | ')}`,
  )
  check(count('job.finished') === 2 && count('push.verified') === 1, 'something was concluded twice')
  check(log.at(-1) === 'the end', `the log says ${log.join(' | ')}`)
  check(log.includes('locked'), 'the sources were not there')
  check(log.includes('key: ***'), 'the secret was not hidden')
  const jobs = existsSync(join(root, 'runner/jobs')) ? readdirSync(join(root, 'runner/jobs')) : []
  check(jobs.length === 0, `the runner remembers ${jobs.join(' ')}`)
  const left = existsSync(join(root, 'runner/work/workspaces')) ? readdirSync(join(root, 'runner/work/workspaces')) : []
  check(
    left.every((run) => readdirSync(join(root, 'runner/work/workspaces', run)).length === 0),
    `left ${left}`,
  )
  check(!isAnybodyIn(root), 'a process was left')
  return faults
}

const isAnybodyIn = (directory: string): boolean =>
  readdirSync('/proc').some((pid) => {
    try {
      return /^\d+$/.test(pid) && readFileSync(`/proc/${pid}/environ`, 'latin1').includes(`HOME=${directory}/`)
    } catch {
      return false
    }
  })

test('the server killed in the middle of a job, the runner goes on and its result is taken', {
  timeout: patienceMs,
}, async () => {
  const place = newPlace({ isHeldUp: true })
  const { told, server } = await live(place.root, {}, async ({ server: killed }) => {
    const left = await begun(place.root)
    killed.kill()
    letGoOn(left)
  })
  assert.equal(server.kills(), 1)
  assert.deepEqual(faultsOf(told, place.root), [])
  assert.equal(told.facts.filter(({ type }) => type === 'job.assigned').length, 2)
  rmSync(place.root, { recursive: true, force: true })
})

test('the runner killed in the middle of a job, what it left is ended and the job started over', {
  timeout: patienceMs,
}, async () => {
  const place = newPlace({ isHeldUp: true })
  const { told, runner } = await live(place.root, {}, ({ runner: killed }) => killInTheMiddle(place.root, killed))
  assert.equal(runner.kills(), 1)
  assert.deepEqual(faultsOf(told, place.root), [])
  assert.equal(told.log.filter((line) => line.endsWith('the job is started over (2 of 3)')).length, 1)
  assert.deepEqual(
    told.facts.flatMap(({ type }) => (/^job\.(assigned|returned|started)$/.test(type) ? [type] : [])),
    ['job.assigned', 'job.started', 'job.returned', 'job.assigned', 'job.started', 'job.assigned', 'job.started'],
  )
  rmSync(place.root, { recursive: true, force: true })
})

/** Kills the runner while the first job's script is held up, and lets the script go on once it was started over. */
const killInTheMiddle = async (root: string, runner: ReturnType<typeof keepRunning>): Promise<void> => {
  const left = await begun(root)
  runner.kill()
  letGoOn(await begun(root, left))
}

/** Ends the waiting of the script that has left this program, in whose workspace it is. */
const letGoOn = (left: string): void => writeFileSync(`/proc/${left}/cwd/go`, '')

/** The first job's script is under way: what it has left, another than that of an earlier one. */
const begun = async (root: string, earlier?: string): Promise<string> => {
  const left = (): string | undefined =>
    readdirSync('/proc').find((pid) => {
      if (pid === earlier) return false
      try {
        const environment = readFileSync(`/proc/${pid}/environ`, 'latin1')
        return environment.includes(`HOME=${root}/`) && readFileSync(`/proc/${pid}/cmdline`, 'latin1').includes('3662')
      } catch {
        return false
      }
    })
  for (;;) {
    const found = left()
    if (found !== undefined) return found
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
}

test('killed at its marks, a runner and its server end in the same place', {
  timeout: patienceMs,
}, async () => {
  const traced = newPlace()
  const [runnerTrace, serverTrace] = [join(traced.root, 'runner-trace'), join(traced.root, 'server-trace')]
  const first = await live(traced.root, {
    runner: { HEADWAY_FAILPOINT_TRACE: runnerTrace },
    server: { HEADWAY_FAILPOINT_TRACE: serverTrace },
  })
  assert.deepEqual(faultsOf(first.told, traced.root), [])
  const marksIn = (file: string, pattern: RegExp): string[] => [
    ...new Set(
      readFileSync(file, 'utf8')
        .split('\n')
        .filter((mark) => pattern.test(mark)),
    ),
  ]
  const left = [
    ...marksIn(runnerTrace, /^runner\./).map((mark) => ['runner', mark] as const),
    ...marksIn(serverTrace, /^(build\.(put-log|make-log)|ledger\.append)/).map((mark) => ['server', mark] as const),
  ]
  left.push(...afterKills.map((mark) => ['runner', mark] as const))
  rmSync(traced.root, { recursive: true, force: true })
  assert.ok(left.length >= 16, `only ${left.length} marks: ${left.join(' ')}`)
  const faults: string[] = []
  const suffer = async ([who, mark]: readonly ['runner' | 'server', string]): Promise<void> => {
    const place = newPlace({ isHeldUp: afterKills.includes(mark) })
    const kills = join(place.root, 'kills')
    mkdirSync(kills)
    const { told } = await live(place.root, { [who]: killedAt(mark, kills) }, async ({ runner }) => {
      if (afterKills.includes(mark)) await killInTheMiddle(place.root, runner)
    })
    faults.push(...faultsOf(told, place.root).map((fault) => `${who} at ${mark}: ${fault}`))
    if (readdirSync(kills).length === 0) faults.push(`${mark}: nothing was killed there`)
    rmSync(place.root, { recursive: true, force: true })
  }
  const chosen = new Set(
    marksToKillAt(
      left.map(([, mark]) => mark),
      ['ledger.append', 'runner.note-result'],
    ),
  )
  await sideBySide(
    left.filter(([, mark]) => chosen.has(mark)),
    suffer,
    3,
  )
  assert.deepEqual(faults, [])
})

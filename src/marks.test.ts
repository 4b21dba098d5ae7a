import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { stopAlone } from './alone/command.ts'
import { systemClock } from './clock.ts'
import { homeAt } from './home.ts'
import { killedAt, killsInARow, marksToKillAt } from './kills.testing.ts'
import { stopProcessRuntime } from './runtimes/process/index.ts'
import { startPostgres, type TestPostgres } from './store/testing.ts'

/** For each file of scenes, each scene with the effects that it is there for. */
const scenes: Readonly<Record<string, Readonly<Record<string, readonly string[]>>>> = {
  access: {
    'the master key changes': ['access.rewrap-setting'],
    'a password is chosen twice': ['access.keep-password'],
  },
  alone: {
    'an edge by itself is started, taken over and stopped': [
      'alone.keep-note',
      'alone.read',
      'alone.socket-remove',
      'alone.stopped-clear',
      'alone.stopped-note',
    ],
  },
  api: { 'a certificate of our own': ['api.write-certificate'] },
  backup: {
    'a backup is put back where one was interrupted': ['backup.clear-interrupted', 'backup.clear-empty-home'],
  },
  build: {
    'kept dependencies are too many, and some half made': ['build.sweep-dependencies', 'build.evict-dependencies'],
    'mirrors of actions go, and what was half made of others': ['build.remove-mirror', 'build.sweep-mirrors'],
    'a runner finds what it had only begun to keep': ['runner.remove-half-note', 'runner.sweep-actions'],
    'bubblewrap that cannot make namespaces': ['build.give-up-namespaces'],
    'a shell of a job that no control group takes': ['build.keep-job-shell', 'build.give-up-job-shell'],
    'a job stops what starts its programs': ['build.end-job-shell', 'build.kill-job-shell'],
    'a program prints much': ['build.widen-pipe'],
    'old logs go': ['build.remove-logs'],
    'Node.js is copied to where jobs can run it': ['build.share-own-node'],
  },
  cli: {
    'two artifacts are downloaded': ['cli.write-artifact', 'cli.place-artifact', 'cli.clear-artifact'],
    'a history is fetched from elsewhere': ['cli.clone-history', 'cli.remove-history'],
    'files written for a person': ['cli.write-service-file', 'cli.eject-workflow'],
    "psql at a person's terminal": ['cli.psql'],
  },
  code: { 'a repository whose first branch is master': ['code.set-head', 'code.maintain'] },
  edge: {
    'an edge ends, and what it had counted is forgotten in time': ['edge.last-words-forget'],
    'an edge keeps the secret of its tickets, and goes on where it cannot': [
      'edge.ticket-secret',
      'edge.ticket-secret-drop',
    ],
    'an access log grows too long': ['edge.log-rotate'],
  },
  ledger: { 'a payload is erased': ['ledger.scrub'] },
  log: { 'the server log is too long': ['log.rotate'] },
  operate: { 'PostgreSQL is copied to where it can run unprivileged': ['operate.unpack-postgres'] },
  package: { 'images half unpacked': ['package.sweep-staging'] },
  processes: {
    'control groups of a home that is gone': ['processes.sweep-cgroups'],
    'control groups of version 2, and one with somebody in it': [
      'processes.cgroup-here',
      'processes.cgroup-move',
      'processes.cgroup-tree',
      'processes.cgroup-kill',
    ],
  },
  runtime: {
    'a running edge is told other settings': ['runtime.edge-settings'],
    'a living edge is replaced': ['runtime.edge-replace'],
  },
  store: {
    'a copy of what is no database': ['store.backup-discard'],
    'a store in PostgreSQL is dumped': ['store.dump-begin', 'store.dump-copy', 'store.dump-end', 'store.dump-discard'],
  },
}

type Played = { readonly signal: NodeJS.Signals | null; readonly code: number | null; readonly said: string }

const play = (
  [room, scene]: readonly [string, string],
  directory: string,
  env: Readonly<Record<string, string>>,
): Promise<Played> =>
  new Promise((resolve, reject) => {
    const program = join(import.meta.dirname, 'scenes', `${room}.testing.ts`)
    const child = spawn(process.execPath, ['--disable-warning=ExperimentalWarning', program, scene, directory], {
      env: { ...process.env, TMPDIR: directory, ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    let said = ''
    let complaints = ''
    child.stdout.on('data', (chunk: Buffer) => {
      said += chunk
    })
    child.stderr.on('data', (chunk: Buffer) => {
      complaints += chunk
    })
    child.once('error', reject)
    child.once('close', (code, signal) => {
      if (code) reject(new Error(complaints))
      else resolve({ signal, code, said: said.replaceAll(directory, '<directory>') })
    })
  })

const inDirectory = async <Result>(work: (directory: string) => Promise<Result>): Promise<Result> => {
  const directory = mkdtempSync(join(tmpdir(), 'hw-scene-'))
  chmodSync(directory, 0o711)
  try {
    return await work(directory)
  } finally {
    await stopAlone(homeAt(join(directory, 'alone'), {}), systemClock)
    await stopProcessRuntime({ home: homeAt(join(directory, 'home'), {}), clock: systemClock }) // of a scene that failed
    rmSync(directory, { recursive: true, force: true })
  }
}

describe('killed at its marks and played again, a scene ends in the same way:', {
  concurrency: 2,
}, () => {
  /** One for all plays of the scene that dumps it: none changes it. */
  let postgres: TestPostgres | undefined
  const beside: Record<string, string> = {}
  before(async () => {
    postgres = await startPostgres()
    beside.HEADWAY_SCENE_POSTGRES = await postgres.createDatabase()
  })
  after(() => postgres?.stop())

  const all = Object.entries(scenes).flatMap(([room, ofRoom]) =>
    Object.entries(ofRoom).map(([scene, effects]) => [room, scene, effects] as const),
  )
  for (const [room, scene, effects] of all)
    test(scene, async () => {
      const expected = await inDirectory(async (directory) => {
        const trace = join(directory, 'trace')
        const { said } = await play([room, scene], directory, { ...beside, HEADWAY_FAILPOINT_TRACE: trace })
        const passed = existsSync(trace) ? readFileSync(trace, 'utf8').split('\n') : []
        const missed = effects.filter((name) => !passed.includes(`${name}:after`))
        assert.deepEqual(missed, [], 'effects that the scene does not pass')
        return said
      })
      for (const mark of marksToKillAt(effects.flatMap((name) => [`${name}:before`, `${name}:after`])))
        await inDirectory(async (directory) => {
          const kills = join(directory, 'kills')
          mkdirSync(kills)
          const env = { ...beside, ...killedAt(mark, kills) }
          let played = await play([room, scene], directory, env)
          while (played.signal === 'SIGKILL') played = await play([room, scene], directory, env)
          const least = mark.endsWith(':before') ? killsInARow : 1
          assert.ok(readdirSync(kills).length >= least, `${mark} killed ${readdirSync(kills).length} times`)
          assert.equal(played.said, expected, mark)
        })
    })
})

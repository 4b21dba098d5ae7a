import assert from 'node:assert/strict'
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { passedElsewhere } from '../rare-marks.ts'
import { changed, exampleFiles } from './example.ts'
import { entriesOf, processesOf } from './leftovers.ts'
import {
  type Ended,
  execute,
  launcher,
  type Platform,
  type Repository,
  repositoryRoot,
  startPlatform,
} from './platform.ts'

/** A failpoint to kill at: `<room>.<what>:before` or `:after`. */
export type Mark = string

/** All marks that the source has, both sides of each. */
export const allMarks = async (): Promise<Mark[]> => {
  const listed = await execute(['sh', join(repositoryRoot, 'scripts/node'), 'scripts/effects.ts', '--list'])
  return listed.stdout
    .trim()
    .split('\n')
    .flatMap((name) => [`${name}:before`, `${name}:after`])
}

export const rare = (mark: Mark): boolean => passedElsewhere.some(({ name }) => mark.startsWith(`${name}:`))

/** A Headway that somebody starts again whenever its control plane was killed, as an init system would. */
type Guarded = { readonly platform: Platform; restarts(): number; stop(): void }

const startGuarded = async (home: string, env: Record<string, string>): Promise<Guarded> => {
  let platform: Platform | undefined
  for (let attempt = 1; platform === undefined; attempt += 1) {
    try {
      platform = await startPlatform({ home, env, keep: true })
    } catch (error) {
      if (attempt === 6) throw error
    }
  }
  const started = platform
  let restarts = 0
  let stopped = false
  const guard = async (): Promise<void> => {
    while (!stopped) {
      if (started.controlPlane.signalCode === 'SIGKILL') {
        restarts += 1
        await started.restart(env).catch(() => undefined) // killed again before it was ready: the next round tries once more
      }
      await delay(50)
    }
  }
  void guard()
  return {
    platform: started,
    restarts: () => restarts,
    stop: () => {
      stopped = true
    },
  }
}

/** Repeats until `holds` says yes; the last thing it said when it never does. */
const eventually = async (what: string, holds: () => Promise<true | string>): Promise<void> => {
  const until = performance.now() + 90_000
  let last: true | string = 'never asked'
  while (performance.now() < until) {
    last = await holds().catch((error: unknown) => String(error))
    if (last === true) return
    await delay(100)
  }
  assert.fail(`${what}: ${last}`)
}

const pushUntilTaken = (repository: Repository): Promise<void> =>
  eventually('the push is taken', async () => {
    const outcome = await repository.push()
    return outcome.code === 0 ? true : outcome.output
  })

const live = (platform: Platform, words: string): Promise<void> =>
  eventually(`"${words}" is live`, async () => {
    const page = await platform.get('shop.localhost')
    return page.status === 200 && page.body.includes(words) ? true : `${page.status} ${page.body.slice(0, 200)}`
  })

/** How the life's commands are run: with the failpoint in their environment too, because some of them write files themselves. */
type Run = (words: readonly string[], input?: string) => Promise<Ended>

const runner =
  (platform: Platform, env: Record<string, string>): Run =>
  (words, input) =>
    execute([launcher, ...words], {
      env: { ...env, HEADWAY_HOME: platform.home },
      ...(input === undefined ? {} : { input }),
    })

const command = (run: Run, words: readonly string[], input?: string): Promise<void> =>
  eventually(`headway ${words.join(' ')}`, async () => {
    const outcome = await run(words, input)
    return outcome.code === 0 ? true : outcome.stderr
  })

/** What people do beside pushing: settings, people, tokens, checkpoints, exports and backups. */
const errands = async (run: Run, files: string): Promise<void> => {
  await command(run, ['secret', 'set', 'API_KEY'], 'first')
  await command(run, ['secret', 'set', 'API_KEY'], 'second')
  await eventually('the secret is removed', async () => {
    const outcome = await run(['secret', 'rm', 'API_KEY'])
    return outcome.code === 0 || outcome.stderr.includes('is not set') ? true : outcome.stderr
  })
  await eventually('a user is made', async () => {
    const outcome = await run(['user', 'add', 'grace', '--role', 'developer'])
    const users = await run(['user', 'list', '--json'])
    return users.stdout.includes('"grace"') ? true : outcome.stderr
  })
  await eventually('a token is made and revoked', async () => {
    const made = await run(['token', 'create', '--name', 'errand', '--json'])
    const listed: unknown = JSON.parse((await run(['token', 'list', '--json'])).stdout)
    const tokens = Array.isArray(listed) ? listed.filter(({ name, revoked }) => name === 'errand' && !revoked) : []
    for (const { token, id } of tokens) await run(['token', 'revoke', String(token ?? id)])
    return made.code === 0 && tokens.length > 0 ? true : `${made.stderr} ${JSON.stringify(listed)}`
  })
  await command(run, ['ledger', 'checkpoint'])
  let attempt = 0
  await eventually('the ledger is exported', async () => {
    attempt += 1
    const outcome = await run(['ledger', 'export', join(files, `export-${attempt}`)]) // never over a file that is there
    return outcome.code === 0 ? true : outcome.stderr
  })
  await eventually('all of Headway is in a backup', async () => {
    const file = join(files, 'all.tar.gz')
    const outcome = await run(['backup', file])
    return outcome.code === 0 || existsSync(file) ? true : outcome.stderr
  })
  await eventually('a backup becomes a home', async () => {
    const outcome = await run(['restore', join(files, 'all.tar.gz'), '--home', join(files, 'restored')])
    return outcome.code === 0 || existsSync(join(files, 'restored', 'master-key')) ? true : outcome.stderr
  })
}

/** What a life holds beside pushes, a rollback and a removal. */
export type Life = { readonly database?: boolean; readonly errands?: boolean }

/**
 * The whole life of a service, with the process killed at a mark (twice in a row) by `env`: two versions pushed, a setting made, a
 * rollback, a removal. Whatever was killed, it must end in the same place: every deployment concluded, the ledger whole, views equal to
 * a rebuild, nothing left over.
 */
export const livesThrough = async (env: Record<string, string>, options: Life = {}): Promise<{ restarts: number }> => {
  const home = mkdtempSync(join(tmpdir(), 'headway-crash-'))
  const guarded = await startGuarded(home, env)
  const { platform } = guarded
  const run = runner(platform, env)
  const files = mkdtempSync(join(tmpdir(), 'headway-errands-'))
  let repository: Repository | undefined
  try {
    const source = exampleFiles(options.database ? 'node-postgres' : 'node', 'shop', 2)
    repository = await platform.repository('shop', source)
    await pushUntilTaken(repository)
    await live(platform, 'Hello')
    await repository.commit('Second', changed(source, 'src/page.js', /Hello/, 'Hello second'))
    await pushUntilTaken(repository)
    await live(platform, 'Hello second')
    await command(run, ['variable', 'set', 'COLOUR', '--value', 'blue'])
    if (options.errands) await errands(run, files)
    await command(run, ['rollback', 'shop'])
    await eventually('the first version is back', async () => {
      const page = await platform.get('shop.localhost')
      return page.status === 200 && !page.body.includes('Hello second') ? true : page.body
    })
    await eventually('every deployment has concluded', async () => {
      const deployments = JSON.parse((await platform.headway('deployments', 'shop', '--json')).stdout) as {
        outcome: string | null
      }[]
      return deployments.length >= 3 && deployments.every(({ outcome }) => outcome !== null)
        ? true
        : JSON.stringify(deployments)
    })
    await eventually('two instances are left', async () => {
      const instances = JSON.parse((await platform.headway('ps', '--json')).stdout) as {
        service: string
        state: string
      }[]
      const states = instances.filter(({ service }) => service === 'shop').map(({ state }) => state)
      return states.join() === 'healthy,healthy' ? true : states.join()
    })
    const { git } = repository
    await eventually('the repository can be fetched', async () => {
      const outcome = await git('fetch', 'headway')
      return outcome.code === 0 ? true : outcome.stderr
    })
    await command(run, ['ledger', 'verify', '--views'])
    if (options.database) await backUpAndRestore(run)
    await eventually('it is removed', async () => {
      const outcome = await run(['remove', 'shop', ...(options.database ? ['--purge-data', 'shop'] : [])])
      // A removal whose answer was cut off is not asked for twice.
      return outcome.code === 0 || /removed|not deployed|no service/i.test(outcome.stderr) ? true : outcome.stderr
    })
    await eventually('its instances are gone', async () => {
      const left = entriesOf(join(workOf(platform), 'instances')).filter((name) => name.includes('shop'))
      return left.length === 0 ? true : left.join()
    })
    guarded.stop()
    await command(run, ['down'])
    await platform.destroy()
    assert.deepEqual(processesOf(home), [], 'no process is left')
    assert.deepEqual(entriesOf(join(workOf(platform), 'workspaces')), [], 'no workspace is left')
    return { restarts: guarded.restarts() }
  } catch (error) {
    guarded.stop()
    await platform.destroy().catch(() => undefined)
    throw error
  } finally {
    guarded.stop()
    rmSync(home, { recursive: true, force: true })
    rmSync(files, { recursive: true, force: true })
    if (repository) rmSync(repository.directory, { recursive: true, force: true })
  }
}

const backUpAndRestore = async (run: Run): Promise<void> => {
  await command(run, ['db', 'backup'])
  await eventually('the databases are as they were', async () => {
    const listed: unknown = JSON.parse((await run(['db', 'backups', '--json'])).stdout)
    const [newest] = Array.isArray(listed) ? listed : []
    const backup = String(newest?.backup)
    const outcome = await run(['db', 'restore', backup, '--confirm', backup])
    return outcome.code === 0 ? true : outcome.stderr
  })
  await eventually('its database is dumped', async () => {
    const dumped = await run(['db', 'dump', 'shop'])
    if (dumped.code !== 0) return dumped.stderr
    return readFileSync(dumped.stdout.trim(), 'utf8').includes('CREATE TABLE') ? true : 'the dump holds no table'
  })
}

const workOf = (platform: Platform): string => join(platform.home, 'work')

/** The marks that a whole life passes when nothing is killed. */
export const marksPassed = async (options: Life): Promise<Set<Mark>> => {
  const directory = mkdtempSync(join(tmpdir(), 'headway-trace-'))
  const file = join(directory, 'trace')
  chmodSync(directory, 0o777) // every user that a process of it may become writes there
  writeFileSync(file, '')
  chmodSync(file, 0o666)
  await livesThrough({ HEADWAY_FAILPOINT_TRACE: file }, options)
  const marks = new Set(readFileSync(file, 'utf8').trim().split('\n'))
  rmSync(directory, { recursive: true, force: true })
  return marks
}

/** What a process does as it ends, or what is done otherwise after a kill; the second finds no process that would do it. */
const lastWords: ReadonlySet<Mark> = new Set([
  'agent.stopped-note:before',
  'agent.traffic-save:before',
  'backup.clear-restored:before',
  'cli.clear-backup:before',
  'edge.control-socket-leave:before',
  'edge.last-words:before',
  'package.remove-workshop:before',
  'server.forget-note:before',
])

/** A whole life with the process that passes this mark killed there, so many times in a row. */
export const livesThroughKillsAt = async (mark: Mark, options: Life = {}, inARow = 2): Promise<void> => {
  const directory = mkdtempSync(join(tmpdir(), 'headway-kills-'))
  chmodSync(directory, 0o777)
  try {
    await livesThrough({ HEADWAY_FAILPOINT: mark, HEADWAY_FAILPOINT_TIMES: `${inARow}:${directory}` }, options)
    // What a kill stood before is done again after the restart, and meets the second one; what it stood behind may be done for good.
    const least = mark.endsWith(':before') && !lastWords.has(mark) ? inARow : 1
    const times = entriesOf(directory).length
    assert.ok(
      times >= least,
      `${times} kills at ${mark}, at least ${least} are wanted: the scenario does not pass it so often`,
    )
  } finally {
    rmSync(directory, { recursive: true, force: true })
  }
}

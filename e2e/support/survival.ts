import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { changed, exampleFiles } from './example.ts'
import { entriesOf, processesOf } from './leftovers.ts'
import { execute, type Platform, type Repository, repositoryRoot, startPlatform } from './platform.ts'

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

const command = (platform: Platform, ...words: string[]): Promise<void> =>
  eventually(`headway ${words.join(' ')}`, async () => {
    const outcome = await platform.headway(...words)
    return outcome.code === 0 ? true : outcome.stderr
  })

/**
 * The whole life of a service, with the process killed at a mark (twice in a row) by `env`: two versions pushed, a setting made, a
 * rollback, a removal. Whatever was killed, it must end in the same place: every deployment concluded, the ledger whole, views equal to
 * a rebuild, nothing left over.
 */
export const livesThrough = async (
  env: Record<string, string>,
  options: { database?: boolean } = {},
): Promise<{ restarts: number }> => {
  const home = mkdtempSync(join(tmpdir(), 'headway-crash-'))
  const guarded = await startGuarded(home, env)
  const { platform } = guarded
  let repository: Repository | undefined
  try {
    const files = options.database ? { ...exampleFiles('node-postgres', 'shop', 2) } : exampleFiles('node', 'shop', 2)
    repository = await platform.repository('shop', files)
    await pushUntilTaken(repository)
    await live(platform, 'Hello')
    await repository.commit('Second', changed(files, 'src/page.js', /Hello/, 'Hello second'))
    await pushUntilTaken(repository)
    await live(platform, 'Hello second')
    await command(platform, 'variable', 'set', 'COLOUR', '--value', 'blue')
    await command(platform, 'rollback', 'shop')
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
    await command(platform, 'ledger', 'verify', '--views')
    if (options.database) {
      await command(platform, 'db', 'backup')
    }
    await command(platform, 'remove', 'shop')
    await eventually('its instances are gone', async () => {
      const left = entriesOf(join(workOf(platform), 'instances')).filter((name) => name.includes('shop'))
      return left.length === 0 ? true : left.join()
    })
    guarded.stop()
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
    if (repository) rmSync(repository.directory, { recursive: true, force: true })
  }
}

const workOf = (platform: Platform): string => join(platform.home, 'work')

/** The marks that a whole life passes when nothing is killed. */
export const marksPassed = async (options: { database?: boolean }): Promise<Set<Mark>> => {
  const directory = mkdtempSync(join(tmpdir(), 'headway-trace-'))
  const file = join(directory, 'trace')
  await livesThrough({ HEADWAY_FAILPOINT_TRACE: file }, options)
  const marks = new Set(readFileSync(file, 'utf8').trim().split('\n'))
  rmSync(directory, { recursive: true, force: true })
  return marks
}

/** A whole life with the process that passes this mark killed there, twice in a row. */
export const livesThroughKillsAt = async (mark: Mark, options: { database?: boolean } = {}): Promise<void> => {
  const directory = mkdtempSync(join(tmpdir(), 'headway-kills-'))
  try {
    await livesThrough({ HEADWAY_FAILPOINT: mark, HEADWAY_FAILPOINT_TIMES: `2:${directory}` }, options)
    assert.ok(entriesOf(directory).length > 0, `nothing was killed at ${mark}: the scenario does not pass it`)
  } finally {
    rmSync(directory, { recursive: true, force: true })
  }
}

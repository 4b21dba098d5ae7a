import { createHash } from 'node:crypto'
import { existsSync, readdirSync } from 'node:fs'
import { statfs } from 'node:fs/promises'
import { join } from 'node:path'
import type { Seal } from '../../access/access.ts'
import { placesOf, prepareDirectory, removeDirectory, workingDirectoryOf } from '../../agent/directory.ts'
import type { Clock } from '../../clock.ts'
import { effectSync } from '../../effect.ts'
import type { MigrationPlan } from '../../golden/release.ts'
import type { Home } from '../../home.ts'
import { fact, isFact, type NewFact, type RecordedFact } from '../../ledger/fact.ts'
import type { Ledger } from '../../ledger/ledger.ts'
import { databaseRemoved, databaseRestored } from '../../operate/facts.ts'
import type { Releases } from '../../package/release.ts'
import { describeError } from '../../problem.ts'
import { type Cgroups, cgroupNameOf, openCgroups } from '../../processes/cgroups.ts'
import { endAllAtHomeIn, isAlive, type ProcessIdentity, signalGroup } from '../../processes/tree.ts'
import { createMutex, type Mutex } from '../../store/mutex.ts'
import { masked } from '../specs.ts'
import { type Target, targetLabel } from '../target.ts'
import { destructiveChanges } from './changed-files.ts'
import { startCommand } from './command.ts'
import { migrationAdvised, migrationFinished, migrationStarted } from './facts.ts'
import {
  attemptsOf,
  type Ending,
  endingOf,
  failureOf,
  type MigrationOrder,
  type MigrationOutcome,
  standing,
  withOldLogs,
} from './migration.ts'
import { openRecords, type Underway } from './records.ts'

export type { MigrationOrder, MigrationOutcome } from './migration.ts'

export type MigrationPorts = {
  readonly home: Pick<Home, 'migrations' | 'migrating'>
  readonly ledger: Ledger
  readonly clock: Clock
  readonly seal: Seal
  readonly releases: Pick<Releases, 'unpack'>
  /** Told of what limits a migration less than it should, or of advice that could not be given. */
  onError?(message: string): void
}

const longestGraceMs = 10_000
const lookEveryMs = 100
const largestOutputBytes = 64 * 1024 * 1024
const keptLogBytes = 1024 * 1024
/** Of so many deployments of a service in an environment what their migrations wrote is kept. */
const keptLogs = 50
const lastLinesTold = 20
const actor = 'system:deploy'

export const migrationSubject = (target: Target): string => `migration:${targetLabel(target)}`

/**
 * Runs each release's migration once per target before any instance of it starts, one at a time for each database. Its command
 * goes on when the control plane ends; the next one finds it, waits for it and judges it as if nothing had happened.
 */
export const createMigrations = (ports: MigrationPorts) => {
  const { home, ledger, clock, releases } = ports
  const say = (message: string): void => ports.onError?.(message)
  const records = openRecords(home.migrations, ports.seal)
  const turns = new Map<string, Mutex>()
  let opened: Cgroups | null = null
  const cgroups = (): Cgroups => {
    opened ??= openCgroups(cgroupNameOf(home.migrating), clock, say) // only when there is something to limit
    return opened
  }

  /** Brings a release's migration to its end, or says that it has come there already. Rejects only when the signal aborts. */
  const migrate = async (order: MigrationOrder, signal: AbortSignal): Promise<MigrationOutcome> => {
    const key = databaseKey(order.target, order.surroundings.env)
    return inTurn(key, async () => {
      await settle(key, signal)
      const facts = await factsOf(order.target)
      const attempts = attemptsOf(facts, order)
      const known = standing(attempts, order)
      if (known || order.plan === null) return known ?? { kind: 'ready' }
      const both = order.isSeed ? [...attempts, ...attemptsOf(facts, { ...order, isSeed: false })] : attempts
      const attempt = both.filter(({ deployment }) => deployment === order.deployment).length + 1
      return begin(key, order, order.plan, attempt, signal)
    })
  }

  const inTurn = async <Result>(key: string, act: () => Promise<Result>): Promise<Result> => {
    const turn = turns.get(key) ?? createMutex()
    turns.set(key, turn)
    const leave = await turn.enter()
    try {
      return await act()
    } finally {
      leave()
    }
  }

  /** Waits for the command that an earlier life has left, and concludes it. */
  const settle = async (key: string, signal: AbortSignal): Promise<void> => {
    const left = records.read(key)
    if (left) await conclude(key, left, await watch(key, left, signal))
  }

  const begin = async (
    key: string,
    order: MigrationOrder,
    plan: MigrationPlan,
    attempt: number,
    signal: AbortSignal,
  ): Promise<MigrationOutcome> => {
    const { deployment, cause, target, release, commit, surroundings, secretValues } = order
    const id = `${target.service}.${deployment.replace(/^deployment-/, '')}.migration`
    const places = placesOf(home.migrating, id)
    const advice = await adviceOn(order)
    signal.throwIfAborted()
    await prepareDirectory(places, { ...surroundings, id })
    cgroups().prepare(id, surroundings.limits)
    using files = records.fresh(key)
    const command = await startCommand({
      line: plan.run,
      cwd: workingDirectoryOf(places, { ...surroundings, id }),
      env: { ...surroundings.env, HEADWAY_DEPLOYMENT: deployment, HOME: places.home, TMPDIR: places.tmp },
      user: surroundings.user,
      ...files,
    })
    const { process } = command
    const about = { deployment, cause, target: { ...target }, release, commit, attempt, isSeed: order.isSeed ?? false }
    const underway: Underway = {
      ...about,
      startedAt: clock.now(),
      timeoutMs: plan.timeoutMs,
      process,
      id,
      secretValues: [...secretValues],
    }
    try {
      records.write(key, underway)
      cgroups().place(id, process.pid)
      await ledger.append([...advice, factOf(underway, 'started')])
    } catch (error) {
      command.abandon()
      throw error
    }
    command.release()
    const ending = await watch(key, underway, signal, command.exited)
    const lastLines = await conclude(key, underway, ending)
    return ending.outcome === 'succeeded' ? { kind: 'ready' } : failureOf(order, ending, lastLines)
  }

  /** Advice is worth no deployment: when it cannot be given, that is said and the migration goes on. */
  const adviceOn = async ({ deployment, cause, target, release, commit, running, surroundings }: MigrationOrder) => {
    if (running === null || running === release || surroundings.files === null) return []
    try {
      const changes = await destructiveChanges(surroundings.files, await releases.unpack(running))
      const findings = changes.map(({ file, line, statement, advice }) => ({ file, line, statement, advice }))
      if (findings.length === 0) return []
      const payload = { deployment, ...target, release, commit, findings }
      return [fact(migrationAdvised, { subject: migrationSubject(target), actor, causes: [cause], payload })]
    } catch (error) {
      say(`looking through the SQL of ${targetLabel(target)}: ${describeError(error)}`)
      return []
    }
  }

  /** Waits for the end of a command and sees to it that it comes; rejects when the signal aborts and leaves the command running. */
  const watch = async (
    key: string,
    { process, startedAt, timeoutMs, id }: Underway,
    signal: AbortSignal,
    exited: Promise<void> | null = null,
  ): Promise<Ending> => {
    const over = new AbortController()
    exited?.then(() => over.abort())
    const either = AbortSignal.any([signal, over.signal])
    let stopped: 'time' | 'output' | null = null
    while (!over.signal.aborted && isAlive(process)) {
      if (stopped === null && clock.now() - startedAt >= timeoutMs) stopped = 'time'
      if (stopped === null && records.outputBytes(key) > largestOutputBytes) stopped = 'output'
      if (stopped !== null) await end(process, Math.min(longestGraceMs, timeoutMs))
      await clock.sleep(lookEveryMs, either).catch(() => {})
      signal.throwIfAborted()
    }
    await endAllAtHomeIn(placesOf(home.migrating, id).root) // what it has started and left behind
    const outOfMemory = cgroups().outOfMemoryKills(id) > 0
    const fullDisk = await fullDiskAt(home.migrating)
    return endingOf(records.endOf(key), { stopped, outOfMemory, timeoutMs, fullDisk })
  }

  const end = async (process: ProcessIdentity, graceMs: number): Promise<void> => {
    effectSync('deploy.migration-stop', () => signalGroup(process.pid, 'SIGTERM'))
    for (let waitedMs = 0; waitedMs < graceMs && isAlive(process); waitedMs += lookEveryMs)
      await clock.sleep(lookEveryMs)
    if (isAlive(process)) effectSync('deploy.migration-kill', () => signalGroup(process.pid, 'SIGKILL'))
  }

  /**
   * Log, fact, then the record: killed between them, the same is concluded once more and recorded once. What it wrote aside goes first: it may be
   * what has filled the disk.
   */
  const conclude = async (key: string, underway: Underway, ending: Ending): Promise<readonly string[]> => {
    const { deployment, attempt, target, id, secretValues } = underway
    await removeDirectory(placesOf(home.migrating, id))
    const lines = masked(records.outputOf(key).split('\n'), secretValues)
    records.keepLog(deployment, attempt, tailOf(lines.join('\n')))
    const lastLines = lines.filter((line) => line.trim() !== '').slice(-lastLinesTold)
    const facts = await factsOf(target)
    const isRecorded = attemptsOf(facts, underway).some(
      (known) => known.deployment === deployment && known.attempt === attempt && known.ended !== null,
    )
    if (!isRecorded)
      await ledger.append([factOf(underway, { ending, lastLines, durationMs: clock.now() - underway.startedAt })])
    await cgroups().remove(id)
    records.forgetLogs(withOldLogs(facts, keptLogs))
    records.forget(key)
    return lastLines
  }

  /** Everything about a target's migrations, the oldest first. */
  const factsOf = async (target: Target): Promise<RecordedFact[]> => {
    const [own, undone] = await Promise.all([
      readAll(ledger, { subject: migrationSubject(target) }),
      readAll(ledger, { types: [databaseRestored.type, databaseRemoved.type] }),
    ])
    return [...own, ...undone].sort((left, right) => left.seq - right.seq)
  }

  return {
    migrate,
    /** Concludes what an earlier life has left running, whoever its deployment was overtaken by. */
    settleLeft: async (signal: AbortSignal): Promise<void> => {
      const directory = join(home.migrations, 'underway')
      const keys = existsSync(directory) ? readdirSync(directory) : []
      await Promise.all(keys.map((key) => inTurn(key, () => settle(key, signal))))
    },
    /** Lets go of the machine's control groups; a migration that runs stays in its own. */
    close: (): void => opened?.close(),
    /** The migrations of a target, the newest first: facts of their starts, ends and advice. */
    history: (target: Target, limit: number): Promise<RecordedFact[]> =>
      ledger.read({ subject: migrationSubject(target), newestFirst: true, limit }),
    /** What one deployment's migration did, among the newest of its target. */
    of: async (target: Target, deployment: string): Promise<RecordedFact[]> =>
      (await ledger.read({ subject: migrationSubject(target), newestFirst: true, limit: pageOfFacts })).filter(
        (one) =>
          (isFact(migrationStarted, one) || isFact(migrationFinished, one) || isFact(migrationAdvised, one)) &&
          one.payload.deployment === deployment,
      ),
    /** Removes what a deployment's migration and seed wrote. */
    forgetLogs: (deployment: string): void => records.forgetLogs(new Set([deployment])),
    /** What the last try of a deployment's migration wrote, secrets taken out; null where nothing is kept. */
    log: (deployment: string, attempt: number): string | null => records.log(deployment, attempt),
  }
}
export type Migrations = ReturnType<typeof createMigrations>

type Ended = { readonly ending: Ending; readonly lastLines: readonly string[]; readonly durationMs: number }

const factOf = (
  { deployment, cause, target, release, commit, attempt, isSeed }: Underway,
  what: 'started' | Ended,
): NewFact => {
  const about = { subject: migrationSubject(target), actor, causes: [cause] }
  const payload = { deployment, ...target, release, commit, attempt, ...(isSeed ? { isSeed } : {}) }
  if (what === 'started') return fact(migrationStarted, { ...about, payload })
  const { ending, lastLines, durationMs } = what
  return fact(migrationFinished, {
    ...about,
    payload: { ...payload, ...ending, durationMs: Math.max(0, durationMs), lastLines: [...lastLines] },
  })
}

/** Two targets that share a database take turns; without a database each is by itself. */
const databaseKey = (target: Target, env: Readonly<Record<string, string>>): string => {
  const database = URL.parse(env.DATABASE_URL ?? '')
  const name = database ? `${database.host}${database.pathname}` : targetLabel(target)
  return createHash('sha256').update(name).digest('hex').slice(0, 32)
}

/** The directory, where next to nothing can be written to its disk any more. */
const fullDiskAt = async (directory: string): Promise<string | null> => {
  const { bavail, bsize } = await statfs(directory)
  return bavail * bsize < leastRoomBytes ? directory : null
}
const leastRoomBytes = 64 * 1024

const tailOf = (text: string): string => {
  const bytes = Buffer.from(text)
  return bytes.length <= keptLogBytes ? text : `...\n${bytes.subarray(-keptLogBytes).toString()}`
}

const pageOfFacts = 500
const readAll = async (
  ledger: Ledger,
  query: { subject?: string; types?: readonly string[] },
): Promise<RecordedFact[]> => {
  const all: RecordedFact[] = []
  for (;;) {
    const page = await ledger.read({ ...query, after: all.at(-1)?.seq ?? 0, limit: pageOfFacts })
    all.push(...page)
    if (page.length < pageOfFacts) return all
  }
}

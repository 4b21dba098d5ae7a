import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import type { Clock } from '../../clock.ts'
import { effect } from '../../effect.ts'
import type { Home } from '../../home.ts'
import { openCursor } from '../../ledger/cursor.ts'
import { fact, isFact } from '../../ledger/fact.ts'
import type { Ledger } from '../../ledger/ledger.ts'
import type { ProjectName } from '../../names.ts'
import { describeError } from '../../problem.ts'
import { writeDurably } from '../../processes/files.ts'
import type { Store } from '../../store/store.ts'
import type { Span } from '../dora/calendar.ts'
import { type DigestSchedule, digestScheduled, digestSubject, digestWritten } from '../facts.ts'
import { dueBefore } from './due.ts'

export type DigestPorts = {
  readonly ledger: Ledger
  readonly store: Store
  readonly clock: Clock
  readonly home: Pick<Home, 'root'>
  /** What a span came to, as Markdown. */
  compose(project: ProjectName, span: Span, zone: string): Promise<string>
  onError(message: string): void
}

const weekMs = 7 * 86_400_000
/** A clock may be set while it is waited for the next week. */
const longestSleepMs = 15 * 60_000
const actor = 'system:learn'

/**
 * Writes the digest of each project that wants one, once a week: the ledger takes one for each week, however often it is tried and whatever
 * the clock says. Whoever subscribes to events is sent it with its fact; the file is written after the fact, and again after a crash between.
 */
export const createDigests = ({ ledger, store, clock, home, compose, onError }: DigestPorts) => {
  const cursor = openCursor(store, 'learn:digests')
  const closing = new AbortController()
  let running: Promise<void> | null = null

  const schedules = async () => {
    const facts = await ledger.read({ types: [digestScheduled.type], newestFirst: true, limit: 10_000 })
    const newest = new Map<ProjectName, { schedule: DigestSchedule | null; setAt: number }>()
    for (const one of facts)
      if (isFact(digestScheduled, one) && !newest.has(one.payload.project))
        newest.set(one.payload.project, { schedule: one.payload.schedule, setAt: one.at })
    return newest
  }

  const write = async (project: ProjectName, schedule: DigestSchedule, setAt: number): Promise<void> => {
    const { at, week } = dueBefore(schedule, clock.now())
    if (at <= setAt) return
    const subject = digestSubject(project)
    const known = await ledger.read({ subject, newestFirst: true, limit: 500 })
    if (known.some((one) => isFact(digestWritten, one) && one.payload.week === week)) return
    const span = { from: Math.max(0, at - weekMs), until: at }
    const payload = { project, week, ...span, markdown: await compose(project, span, schedule.zone) }
    await ledger.append([fact(digestWritten, { subject, actor, payload })], {
      expect: { subject, seq: known[0]?.seq ?? 0 },
    })
  }

  const keepFiles = async (): Promise<void> => {
    const facts = await ledger.read({ after: await cursor.read(), types: [digestWritten.type], limit: 100 })
    for (const one of facts) {
      if (isFact(digestWritten, one)) {
        const { project, week, markdown } = one.payload
        const directory = join(home.root, 'digests', project)
        await effect('learn.write-digest', async () => {
          await mkdir(directory, { recursive: true, mode: 0o700 })
          writeDurably(join(directory, `${week}.md`), markdown)
        })
      }
      await cursor.commitAlone(one.seq)
    }
  }

  /** Writes what is due now. */
  const writeDue = async (): Promise<void> => {
    for (const [project, { schedule, setAt }] of await schedules()) if (schedule) await write(project, schedule, setAt)
    await keepFiles()
  }

  const run = async (): Promise<void> => {
    while (!closing.signal.aborted) {
      await writeDue().catch((error: unknown) => onError(`writing the weekly digest: ${describeError(error)}`))
      await clock.sleep(longestSleepMs, closing.signal).catch(() => undefined)
    }
  }

  return {
    writeDue,
    schedule: async (project: ProjectName): Promise<DigestSchedule | null> =>
      (await schedules()).get(project)?.schedule ?? null,
    /** From the next such moment on. */
    setSchedule: async (project: ProjectName, schedule: DigestSchedule | null, by: string): Promise<void> => {
      if (schedule) dueBefore(schedule, clock.now()) // a zone that nobody knows is refused here
      await ledger.append([
        fact(digestScheduled, { subject: digestSubject(project), actor: by, payload: { project, schedule, by } }),
      ])
      running ??= run()
    },
    start: (): void => {
      running ??= run()
    },
    stop: async (): Promise<void> => {
      closing.abort()
      await running
    },
  }
}
export type Digests = ReturnType<typeof createDigests>

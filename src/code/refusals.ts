import type { Clock } from '../clock.ts'
import { type Actor, fact } from '../ledger/fact.ts'
import type { Ledger } from '../ledger/ledger.ts'
import { repositorySubject } from '../names.ts'
import { describeError } from '../problem.ts'
import type { RepositoryKey } from './address.ts'
import type { RefUpdate } from './dialogue.ts'
import { pushRefused } from './facts.ts'

/** So much of a refused push is kept: what it asks for is a stranger's text. */
const most = { updates: 20, reasons: 40, refLength: 250, reasonLength: 500 } as const
/** Somebody without the right is recorded at a repository once in this time, however often a script of theirs asks. */
const doorEveryMs = 60 * 60_000
const mostAtDoor = 1_000

/** Writes into the ledger who tried to push what, and why it was refused. That it cannot be written changes no refusal. */
export const createRefusals = (parts: {
  readonly ledger: Ledger
  readonly clock: Clock
  report(message: string): void
}) => {
  const { ledger, clock, report } = parts
  const atDoor = new Map<string, number>()

  const record = async (
    key: RepositoryKey,
    actor: Actor,
    updates: readonly RefUpdate[],
    reasons: readonly string[],
  ): Promise<void> => {
    const payload = {
      project: key.project,
      repository: key.repository,
      updates: updates.slice(0, most.updates).map((one) => ({ ...one, ref: one.ref.slice(0, most.refLength) })),
      reasons: reasons.slice(0, most.reasons).map((line) => line.slice(0, most.reasonLength)),
    }
    const subject = repositorySubject(key.project, key.repository)
    await ledger.append([fact(pushRefused, { subject, actor, payload })]).catch((error: unknown) => {
      report(`recording a refused push to ${key.project}/${key.repository}: ${describeError(error)}`)
    })
  }

  return {
    /** A push that was seen, with the lines that its author was shown. */
    push: record,

    /** Somebody who may not push there at all, before anything was sent. */
    door: async (key: RepositoryKey, actor: Actor, reason: string): Promise<void> => {
      const who = `${actor} ${key.project}/${key.repository}`
      const now = clock.now()
      if (now - (atDoor.get(who) ?? Number.NEGATIVE_INFINITY) < doorEveryMs) return
      if (atDoor.size >= mostAtDoor) atDoor.clear()
      atDoor.set(who, now)
      await record(key, actor, [], [reason])
    },
  }
}
export type Refusals = ReturnType<typeof createRefusals>

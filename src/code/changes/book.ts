import type { NewFact } from '../../ledger/fact.ts'
import type { Ledger, Views } from '../../ledger/ledger.ts'
import { Problem } from '../../problem.ts'
import type { Change } from './change.ts'
import { type ChangeKey, changeSubject } from './facts.ts'
import type { ChangeQueries } from './queries.ts'

/** Changes as they are now, and the one way to record something about them. */
export type Book = {
  /** Rejects with a Problem where there is no such change. */
  read(key: ChangeKey): Promise<Change>
  /** Records what is decided about the newest state, decided anew where something came in between; nothing where that is nothing. */
  write(key: ChangeKey, decide: (change: Change) => readonly NewFact[] | Promise<readonly NewFact[]>): Promise<Change>
}

const mostAttempts = 20

export const createBook = (parts: { ledger: Ledger; views: Views; queries: ChangeQueries }): Book => {
  const { ledger, views, queries } = parts
  const read = async (key: ChangeKey): Promise<Change> => {
    await views.reach()
    const change = await queries.change(key)
    if (change) return change
    throw new Problem({
      kind: 'change-not-found',
      status: 404,
      detail: `there is no change ${key.number} in ${key.project}/${key.repository}`,
      next: 'headway changes lists them',
    })
  }
  return {
    read,
    write: async (key, decide) => {
      for (let attempt = 1; attempt <= mostAttempts; attempt += 1) {
        const change = await read(key)
        const facts = await decide(change)
        if (facts.length === 0) return change
        const outcome = await ledger.append(facts, { expect: { subject: changeSubject(key), seq: change.seq } })
        if (outcome.kind === 'appended') return read(key)
      }
      throw new Problem({
        kind: 'change-busy',
        status: 409,
        detail: `change ${key.number} of ${key.repository} is being changed by others all the time`,
        next: 'try again',
      })
    },
  }
}

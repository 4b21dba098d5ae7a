import { atLeast, type Identity } from '../../access/access.ts'
import { workflowEventConcluded, workflowEventRaised } from '../../build/facts.ts'
import { isFact } from '../../ledger/fact.ts'
import type { Ledger } from '../../ledger/ledger.ts'
import { repositorySubject } from '../../names.ts'
import { Problem } from '../../problem.ts'
import type { Book } from './book.ts'
import { nameOf } from './decide.ts'
import { type ChangeKey, changeDescribed, changeSubject, proposalAnnounced } from './facts.ts'
import type { ChangeQueries } from './queries.ts'

/** Forgets for good what people have written: by themselves, or by an administrator of the project. */
export const createErasing = ({ ledger, book, queries }: { ledger: Ledger; book: Book; queries: ChangeQueries }) => {
  const mustBe = (identity: Identity, key: ChangeKey, author: string): void => {
    if (identity.user === author || atLeast(identity.roleIn(key.project), 'administrator')) return
    throw new Problem({
      kind: 'forbidden',
      status: 403,
      detail: `${author} has written that, and only ${author} or an administrator of ${key.project} erases it`,
    })
  }

  return {
    comment: async (key: ChangeKey, comment: string, identity: Identity): Promise<void> => {
      await book.read(key)
      const found = (await queries.comments(key)).find((one) => one.comment === comment)
      if (!found)
        throw new Problem({ kind: 'comment-not-found', status: 404, detail: `${nameOf(key)} has no such comment` })
      mustBe(identity, key, found.user)
      await ledger.erase(found.seq, 'a comment was withdrawn', identity.actor)
    },

    /** Title and text, in all that they were, and in the events that told workflows of them. */
    description: async (key: ChangeKey, identity: Identity): Promise<void> => {
      const change = await book.read(key)
      mustBe(identity, key, change.author)
      const events = await Promise.all(change.events.map((event) => ledger.read({ subject: `event:${event}` })))
      if (events.some((facts) => !facts.some((one) => isFact(workflowEventConcluded, one))))
        throw new Problem({
          kind: 'checks-running',
          status: 409,
          detail: `the checks of ${nameOf(key)} are running, and have been told its title and text`,
          next: 'erase them when the checks have ended',
        })
      const own = await ledger.read({ subject: changeSubject(key) })
      const ref = `refs/heads/${change.branch}`
      const asked = await ledger.read({
        subject: repositorySubject(key.project, key.repository),
        types: [proposalAnnounced.type],
      })
      const told = [
        ...own.filter((one) => isFact(changeDescribed, one)),
        ...asked.filter(
          (one) => isFact(proposalAnnounced, one) && one.payload.updates.some((update) => update.ref === ref),
        ),
        ...events.flat().filter((one) => isFact(workflowEventRaised, one)),
      ]
      for (const { seq } of told)
        await ledger.erase(seq, `the description of ${nameOf(key)} was withdrawn`, identity.actor)
    },
  }
}

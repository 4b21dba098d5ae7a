import type { CommitId } from '../../names.ts'
import type { Change, Test } from './change.ts'
import { outcomeOf } from './gates.ts'
import type { Rules } from './rules.ts'

/** What is done next in a queue. */
export type QueueStep =
  /** Its merge result is made on `base` and tested. */
  | { readonly kind: 'test'; readonly change: Change; readonly base: CommitId }
  | { readonly kind: 'land'; readonly change: Change; readonly base: CommitId; readonly candidate: CommitId }
  | { readonly kind: 'remove'; readonly change: Change; readonly why: string }

/** So many merge results are tested at once; what is further back waits until one of them has landed or gone. */
const mostTested = 5

/**
 * Each change of a queue is tested on what would be there if all before it had landed, so that what lands is what was tested. The
 * first lands once its own test has passed on the tip as it is; one that fails when all before it have passed goes, and those
 * behind it are tested again without it. Null: nothing to do until something happens.
 */
export const nextStep = (tip: CommitId, queue: readonly Change[], rules: Rules): QueueStep | null => {
  let base = tip
  let havePassed = true
  for (const [place, change] of queue.slice(0, mostTested).entries()) {
    const { test, conflict, target } = change
    if (conflict?.base === base) {
      const files = conflict.files.length === 0 ? '' : `: ${conflict.files.join(', ')}`
      return place === 0
        ? { kind: 'remove', change, why: `${conflict.detail || `it conflicts with ${target}`}${files}` }
        : null
    }
    if (!isOfThis(test, change, base, rules)) return { kind: 'test', change, base }
    const outcome = outcomeOf(test, rules)
    if (outcome.kind === 'failed')
      return havePassed ? { kind: 'remove', change, why: `${outcome.detail} on what would have landed` } : null
    if (place === 0 && outcome.kind === 'passed') return { kind: 'land', change, base, candidate: test.candidate }
    havePassed &&= outcome.kind === 'passed'
    base = test.candidate
  }
  return null
}

/** Whether a test says something about this version, merged so, on this base. */
const isOfThis = (test: Test | null, { version }: Change, base: CommitId, { method }: Rules): test is Test =>
  test !== null && test.base === base && test.version === version && test.method === method

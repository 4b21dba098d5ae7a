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
      return place === 0 ? { kind: 'remove', change, why: wordsOf(conflict, target) } : null
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

const wordsOf = ({ detail, files }: NonNullable<Change['conflict']>, target: string): string =>
  `${detail || `it conflicts with ${target}`}${files.length === 0 ? '' : `: ${files.join(', ')}`}`

/** Whether a test says something about this version, merged so, on this base. */
const isOfThis = (test: Test | null, { version }: Change, base: CommitId, { method }: Rules): test is Test =>
  test !== null && test.base === base && test.version === version && test.method === method

/**
 * How one in a queue stands: `making` its merge result, `testing` it, `ready` (passed; those before it land first), `landing`, `failed`
 * (behind one that has not passed yet, so that it may not be its own fault), `conflict` (with what lands before it), `leaving`, or
 * `waiting` for a place among those that are tested.
 */
export type Standing = {
  readonly kind: 'making' | 'testing' | 'ready' | 'landing' | 'failed' | 'conflict' | 'leaving' | 'waiting'
  /** What its checks or the merge said, where that is why. */
  readonly detail: string | null
}

/** How each of a queue stands, in its order: what `nextStep` would do with it, or why it does nothing. */
export const standingsOf = (tip: CommitId, queue: readonly Change[], rules: Rules): Standing[] => {
  let base: CommitId | null = tip
  let havePassed = true
  return queue.map((change, place): Standing => {
    const { test, conflict, target } = change
    if (base === null || place >= mostTested) return { kind: 'waiting', detail: null }
    if (conflict?.base === base) {
      base = null
      return { kind: place === 0 ? 'leaving' : 'conflict', detail: wordsOf(conflict, target) }
    }
    if (!isOfThis(test, change, base, rules)) {
      base = null
      return { kind: 'making', detail: null }
    }
    base = test.candidate
    const before = havePassed
    const outcome = outcomeOf(test, rules)
    havePassed &&= outcome.kind === 'passed'
    if (outcome.kind === 'failed') return { kind: before ? 'leaving' : 'failed', detail: outcome.detail }
    if (outcome.kind === 'running') return { kind: 'testing', detail: null }
    return { kind: place === 0 ? 'landing' : 'ready', detail: null }
  })
}

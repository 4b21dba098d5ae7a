import { isFact, type RecordedFact } from '../../ledger/fact.ts'
import { alertActed, alertFired, alertResolved } from './facts.ts'

export type Firing = { readonly alert: string; readonly firedAt: number; readonly deployment: string | null }

/** What is known of one alert between two looks. Times are monotonic milliseconds, so that a clock that is set changes nothing. */
export type AlertState = {
  readonly firing: Firing | null
  /** Since when it has held without a break; null: it does not hold, or nobody knows. */
  readonly trueSince: number | null
  readonly falseSince: number | null
  readonly truth: boolean | null
}

export const quiet: AlertState = { firing: null, trueSince: null, falseSince: null, truth: null }

/** It must not have held for so long before it counts as over: what hovers around its limit fires once, not at every look. */
export const settleMs = 60_000

/** What a look makes of an alert. No data is neither: it neither fires nor resolves, and what was counted up begins anew. */
export const look = (
  state: AlertState,
  truth: boolean | null,
  nowMs: number,
  forMs: number,
): { readonly state: AlertState; readonly event: 'fire' | 'resolve' | null } => {
  const trueSince = truth === true ? (state.trueSince ?? nowMs) : null
  const falseSince = truth === false ? (state.falseSince ?? nowMs) : null
  const next = { ...state, truth, trueSince, falseSince }
  if (state.firing === null && trueSince !== null && nowMs - trueSince >= forMs) return { state: next, event: 'fire' }
  if (state.firing !== null && falseSince !== null && nowMs - falseSince >= settleMs)
    return { state: next, event: 'resolve' }
  return { state: next, event: null }
}

/** Something that must be done for an alert: once per place of its rule's notifications, or once. */
export type Task = {
  readonly event: 'fired' | 'resolved'
  readonly action: 'halt' | 'rollback' | 'notify'
  readonly place: number
}
export type History = {
  /** By the name of their rule. */
  readonly firing: ReadonlyMap<string, Firing>
  /** Firings and resolvings, each with what was done about it already. */
  readonly events: readonly { readonly fact: RecordedFact; readonly done: readonly Task[] }[]
}

/** A target's alerts as the ledger has them, from its facts, oldest first. */
export const historyOf = (facts: readonly RecordedFact[]): History => {
  const firing = new Map<string, Firing>()
  const events = new Map<string, { fact: RecordedFact; done: Task[] }>()
  for (const fact of facts) {
    if (isFact(alertFired, fact)) {
      const { alert, name, deployment } = fact.payload
      firing.set(name, { alert, firedAt: fact.at, deployment })
      events.set(`fired ${alert}`, { fact, done: [] })
    }
    if (isFact(alertResolved, fact)) {
      firing.delete(fact.payload.name)
      events.set(`resolved ${fact.payload.alert}`, { fact, done: [] })
    }
    if (isFact(alertActed, fact)) {
      const { alert, event, action, place } = fact.payload
      events.get(`${event} ${alert}`)?.done.push({ event, action, place })
    }
  }
  return { firing, events: [...events.values()] }
}

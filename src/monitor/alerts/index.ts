import type { Ids } from '../../clock.ts'
import { type Target, targetLabel } from '../../deploy/index.ts'
import type { AlertRule } from '../../golden/alerts.ts'
import {
  type Comparison,
  type Condition,
  comparisonsOf,
  holds,
  type Metric,
  parseCondition,
} from '../../golden/condition.ts'
import { fact, isFact, type RecordedFact } from '../../ledger/fact.ts'
import type { Ledger } from '../../ledger/ledger.ts'
import { describeError } from '../../problem.ts'
import type { Traffic, TrafficStore } from '../traffic.ts'
import { alertActed, alertFired, alertResolved } from './facts.ts'
import { createNotifier, type NotifyPorts } from './notify.ts'
import { type AlertState, historyOf, look, quiet, type Task } from './state.ts'

/** A service where it runs, with what is to be watched there. */
export type Watched = { readonly target: Target; readonly rules: readonly AlertRule[] }

export type AlertPorts = NotifyPorts & {
  readonly ledger: Ledger
  readonly ids: Ids
  readonly traffic: Pick<TrafficStore, 'total'>
  /** Everything that has alerts. */
  watched(): Promise<readonly Watched[]>
  /** The deployment that is on its way to a target; null: none. */
  inProgress(target: Target): Promise<string | null>
  /** What an alert can have done, as a person would ask for it; each resolves to what came of it, in words. */
  readonly halt: (target: Target, reason: string) => Promise<string>
  readonly rollback: (target: Target, reason: string) => Promise<string>
  onError?(message: string): void
}

export type AlertView = {
  readonly target: Target
  readonly rule: AlertRule
  readonly state: 'firing' | 'pending' | 'quiet' | 'no data'
  readonly since: number | null
}

const actor = 'system:monitor'
/** Of a target's older alerts nothing is left to be done. */
const furthestBack = 500

export const alertSubject = (target: Target): string => `alert:${targetLabel(target)}`

/** Watches traffic for what services and environments have asked to be told of, and does about it what they said. */
export const createAlerts = (ports: AlertPorts) => {
  const { ledger, clock, ids, traffic } = ports
  const notify = createNotifier(ports)
  const closing = new AbortController()
  const known = new Map<string, Map<string, AlertState>>()
  const conditions = new Map<string, Condition>()
  const acting = new Set<Promise<void>>()
  let views: readonly AlertView[] = []

  /** Looks at everything once. Called after each time that the edge's counters were fetched. */
  const lookAround = async (): Promise<void> => {
    const seen: AlertView[] = []
    for (const watched of await ports.watched()) {
      try {
        seen.push(...(await lookAt(watched)))
      } catch (error) {
        if (closing.signal.aborted) return
        ports.onError?.(`alerts of ${targetLabel(watched.target)}: ${describeError(error)}`)
      }
    }
    views = seen
  }

  const lookAt = async ({ target, rules }: Watched): Promise<AlertView[]> => {
    const states = await statesOf(target, rules)
    const deployment = await ports.inProgress(target)
    const now = clock.now()
    const readings = new Map<number, Traffic>()
    for (const { windowMs } of rules.flatMap((rule) => comparisonsOf(conditionOf(rule))))
      if (!readings.has(windowMs)) readings.set(windowMs, await read(target, windowMs, now))
    const value = (metric: Metric, windowMs: number) => readingOf(readings.get(windowMs), metric, windowMs)
    for (const rule of rules) {
      const condition = conditionOf(rule)
      const truth = holds(condition, { value, isInProgress: deployment !== null })
      const before = states.get(rule.name) ?? quiet
      const known = truth === true && isOfAnother(before, deployment) ? { ...before, firing: null } : before
      if (known !== before) await resolve(target, rule.name, before, 'another deployment is under way', rule)
      const { state, event } = look(known, truth, clock.monotonicMs(), rule.forMs)
      states.set(rule.name, state)
      if (event === 'fire') {
        const values = comparisonsOf(condition).map((one) => ({
          metric: `${one.metric}_${windowName(one)}`,
          value: value(one.metric, one.windowMs),
        }))
        states.set(rule.name, { ...state, firing: await fire(target, rule, deployment, values) })
      }
      if (event === 'resolve' && (await resolve(target, rule.name, state, 'it no longer holds', rule)))
        states.set(rule.name, { ...state, firing: null })
    }
    for (const [name, state] of states)
      if (!rules.some((rule) => rule.name === name)) {
        await resolve(target, name, state, 'nobody asks for it any more', null)
        states.delete(name)
      }
    return rules.map((rule) => viewOf(target, rule, states.get(rule.name) ?? quiet))
  }

  const conditionOf = ({ when }: AlertRule): Condition => {
    const condition = conditions.get(when) ?? parseCondition(when)
    conditions.set(when, condition)
    return condition
  }

  /** Counts come by the minute: the window is the minute under way and those before it. */
  const read = (target: Target, windowMs: number, now: number): Promise<Traffic> => {
    const thisMinute = Math.floor(now / 60_000) * 60_000
    const from = thisMinute - Math.max(0, Math.ceil(windowMs / 60_000) - 1) * 60_000
    return traffic.total({ service: targetLabel(target), from, until: thisMinute + 60_000 })
  }

  /** As the ledger has them, the first time; and what an earlier life has left undone is done. */
  const statesOf = async (target: Target, rules: readonly AlertRule[]): Promise<Map<string, AlertState>> => {
    const label = targetLabel(target)
    const there = known.get(label)
    if (there) return there
    const facts = await ledger.read({ subject: alertSubject(target), newestFirst: true, limit: furthestBack })
    const { firing, events } = historyOf(facts.toReversed())
    for (const { fact: event, done } of events) {
      const named = isFact(alertFired, event) || isFact(alertResolved, event) ? event.payload.name : null
      const rule = rules.find(({ name }) => name === named)
      if (rule) act(target, rule, event, done)
    }
    const states = new Map([...firing].map(([name, one]) => [name, { ...quiet, firing: one }]))
    known.set(label, states)
    return states
  }

  const fire = async (
    target: Target,
    rule: AlertRule,
    deployment: string | null,
    values: { metric: string; value: number | null }[],
  ): Promise<AlertState['firing']> => {
    const alert = ids('alert')
    const { name, when, actions } = rule
    const payload = { alert, ...target, name, when, deployment, values, actions }
    const outcome = await ledger.append([fact(alertFired, { subject: alertSubject(target), actor, payload })])
    const [recorded] = outcome.kind === 'appended' ? outcome.facts : []
    if (!recorded) throw new Error('unreachable: appended without expectation')
    act(target, rule, recorded, [])
    return { alert, firedAt: recorded.at, deployment }
  }

  const resolve = async (
    target: Target,
    name: string,
    { firing }: AlertState,
    detail: string,
    rule: AlertRule | null,
  ): Promise<boolean> => {
    if (!firing) return false
    const payload = { alert: firing.alert, ...target, name, firedAt: firing.firedAt, detail }
    const outcome = await ledger.append([fact(alertResolved, { subject: alertSubject(target), actor, payload })])
    const [recorded] = outcome.kind === 'appended' ? outcome.facts : []
    if (rule && recorded) act(target, rule, recorded, [])
    return true
  }

  /** Does what is left to be done, each by itself: who is told late does not hold up what is undone at once. */
  const act = (target: Target, rule: AlertRule, event: RecordedFact, done: readonly Task[]): void => {
    for (const task of tasksOf(rule, event)) {
      if (done.some((one) => one.action === task.action && one.place === task.place)) continue
      const running = carryOut(target, rule, event, task).catch((error: unknown) => {
        if (!closing.signal.aborted) ports.onError?.(`${rule.name} of ${targetLabel(target)}: ${describeError(error)}`)
      })
      acting.add(running)
      void running.finally(() => acting.delete(running))
    }
  }

  const carryOut = async (target: Target, rule: AlertRule, event: RecordedFact, task: Task): Promise<void> => {
    const fired = isFact(alertFired, event) || isFact(alertResolved, event) ? event.payload : null
    if (!fired) return
    const reason = `the alert "${rule.name}" has fired`
    const to = task.action === 'notify' ? rule.notify[task.place] : undefined
    const came = to
      ? await notify(
          to,
          { id: `${fired.alert}-${task.event}`, target, body: bodyOf(target, rule, event, task.event) },
          closing.signal,
        )
      : await request(() => (task.action === 'halt' ? ports.halt : ports.rollback)(target, reason))
    const payload = { alert: fired.alert, ...target, name: rule.name, ...task, ...came }
    await ledger.append([fact(alertActed, { subject: alertSubject(target), actor, causes: [event.seq], payload })])
  }

  const request = async (ask: () => Promise<string>) => {
    try {
      return { to: null, outcome: 'done' as const, detail: await ask() }
    } catch (error) {
      closing.signal.throwIfAborted()
      return { to: null, outcome: 'failed' as const, detail: describeError(error) }
    }
  }

  return {
    lookAround,
    /** How each alert stands since the last look. */
    views: (): readonly AlertView[] => views,
    /** What has fired, was done and was resolved for a target, newest first. */
    history: (target: Target, limit: number): Promise<RecordedFact[]> =>
      ledger.read({ subject: alertSubject(target), newestFirst: true, limit }),
    /** Resolves when nothing is being done about an alert. */
    settled: async (): Promise<void> => {
      while (acting.size > 0) await Promise.all(acting)
    },
    stop: async (): Promise<void> => {
      closing.abort()
      await Promise.all(acting)
    },
  }
}
export type Alerts = ReturnType<typeof createAlerts>

/** What it has halted or undone is not what is on its way now: without this a release could follow an undone one unseen. */
const isOfAnother = ({ firing }: AlertState, deployment: string | null): boolean =>
  firing !== null && firing.deployment !== null && deployment !== null && firing.deployment !== deployment

/** Halting and undoing belong to the firing alone; whoever was told of it is told of its end. */
const tasksOf = (rule: AlertRule, event: RecordedFact): Task[] => {
  const kind = isFact(alertFired, event) ? 'fired' : 'resolved'
  return rule.actions.flatMap((action): Task[] => {
    if (action === 'notify') return rule.notify.map((_, place) => ({ event: kind, action, place }))
    return kind === 'fired' ? [{ event: kind, action, place: 0 }] : []
  })
}

const bodyOf = (target: Target, rule: AlertRule, event: RecordedFact, kind: Task['event']): string => {
  const values = isFact(alertFired, event) ? event.payload.values : []
  const { alert, deployment } = isFact(alertFired, event)
    ? event.payload
    : { alert: isFact(alertResolved, event) ? event.payload.alert : '', deployment: null }
  const seen = values.map(({ metric, value }) => `${metric} ${describeValue(metric, value)}`).join(', ')
  const where = `${target.project}/${target.service} in ${target.environment}`
  const text = kind === 'fired' ? `${rule.name}: ${where}${seen ? ` (${seen})` : ''}` : `${rule.name}: ${where} is over`
  const about = { alert, name: rule.name, when: rule.when, ...target, deployment, values }
  return JSON.stringify({ type: `alert.${kind}`, at: new Date(event.at).toISOString(), text, ...about })
}

/** As people read it: `4.2 %`, `310 ms`, `12`. */
export const describeValue = (metric: string, value: number | null): string => {
  if (value === null) return 'no data'
  if (metric.startsWith('error_rate')) return `${(value * 100).toFixed(1)} %`
  if (/^p[0-9]/.test(metric)) return `${Math.round(value)} ms`
  return Number.isInteger(value) ? String(value) : value.toFixed(2)
}

const windowName = ({ windowMs }: Comparison): string =>
  windowMs % 3_600_000 === 0 ? `${windowMs / 3_600_000}h` : `${windowMs / 60_000}m`

const readingOf = (traffic: Traffic | undefined, metric: Metric, windowMs: number): number | null => {
  if (!traffic) return null
  switch (metric) {
    case 'error_rate':
      return traffic.errorRate
    case 'p50':
      return traffic.p50Ms
    case 'p95':
      return traffic.p95Ms
    case 'p99':
      return traffic.p99Ms
    case 'requests':
      return traffic.requests
    case 'request_rate':
      return traffic.requests / (windowMs / 1000)
  }
}

const viewOf = (target: Target, rule: AlertRule, { firing, trueSince, truth }: AlertState): AlertView => ({
  target,
  rule,
  state: firing ? 'firing' : trueSince !== null ? 'pending' : truth === null ? 'no data' : 'quiet',
  since: firing?.firedAt ?? null,
})

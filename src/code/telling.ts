import type { Failure } from '../build/facts.ts'
import { onwardsFrom, type Stop } from './way.ts'

/** One ref of a push and what its narration knows so far. Times in milliseconds since 1970. */
export type Narration = {
  readonly push: string
  readonly project: string
  /** The environments that are waited for, in order of promotion. */
  readonly way: readonly Stop[]
  /** Rollouts are told to their end, and not until they have begun. */
  readonly toTheEnd: boolean
  /** Also what is held by a policy is waited for. */
  readonly isPatient: boolean
  readonly receivedAt: number
  /** When the change was committed; null when unknown. */
  readonly committedAt: number | null
  readonly runs: Readonly<Record<string, { readonly name: string }>>
  readonly jobs: Readonly<Record<string, { readonly name: string; readonly startedAt: number }>>
  /** Of the jobs that failed, and of the runs that failed without one. */
  readonly failures: readonly { readonly run: string; readonly failure: Failure }[]
  readonly failedRuns: readonly string[]
  readonly verifiedAt: number | null
  /** Services that were released, each in an environment that it has not come to yet. */
  readonly pending: readonly Arrival[]
  readonly released: readonly string[]
  readonly isPackaged: boolean
  readonly promotions: Readonly<Record<string, Arrival>>
  readonly deployments: Readonly<Record<string, Deployment>>
  readonly ended: boolean
  /** Something of it was refused, broke, or was not deployed. */
  readonly hasFailed: boolean
}
export type Arrival = { readonly service: string; readonly environment: string }
export type Deployment = Arrival & {
  readonly requestedAt: number
  readonly instances: number | null
  readonly shifted: boolean
  readonly isJudged: boolean
  /** For how long it will be watched once it has all traffic. */
  readonly watchMs: number
}

export type Told = { readonly narration: Narration; readonly lines: readonly string[] }

export const beginNarration = (
  about: Pick<Narration, 'push' | 'project' | 'way' | 'receivedAt' | 'committedAt'> &
    Partial<Pick<Narration, 'toTheEnd' | 'isPatient'>>,
): Narration => ({
  toTheEnd: false,
  isPatient: false,
  ...about,
  runs: {},
  jobs: {},
  failures: [],
  failedRuns: [],
  verifiedAt: null,
  pending: [],
  released: [],
  isPackaged: false,
  promotions: {},
  deployments: {},
  ended: false,
  hasFailed: false,
})

/** It has come to an environment; onwards it goes from there. */
export const arrived = (narration: Narration, arrival: Arrival): Narration =>
  without(narration, arrival.service, [arrival.environment])

/** It does not come to an environment (now), nor to any that is reached from there. */
export const stopped = (narration: Narration, { service, environment }: Arrival): Narration =>
  without(narration, service, onwardsFrom(environment, narration.way))

const without = (narration: Narration, service: string, environments: readonly string[]): Narration => ({
  ...narration,
  pending: narration.pending.filter((one) => one.service !== service || !environments.includes(one.environment)),
})

/** The story ends once every service that the push released has come to each environment, or will not. */
export const concluded = (narration: Narration, lines: readonly string[]): Told => ({
  narration: { ...narration, ended: narration.isPackaged && narration.pending.length === 0 },
  lines,
})
export const told = (narration: Narration, lines: readonly string[]): Told => ({ narration, lines })
export const silent = (narration: Narration): Told => told(narration, [])
export const ended = (narration: Narration, lines: readonly string[]): Told =>
  told({ ...narration, ended: true }, lines)

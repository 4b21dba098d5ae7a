import { describeDuration } from '../duration.ts'
import { isFact, type RecordedFact } from '../ledger/fact.ts'
import { shortCommit } from '../names.ts'
import {
  deploymentCommitted,
  deploymentFinished,
  deploymentRequested,
  migrationAdvised,
  migrationFinished,
  migrationStarted,
  rolloutAborted,
  rolloutJudged,
  rolloutPaused,
  rolloutPromoted,
  rolloutResumed,
  rolloutShifted,
  rolloutStarted,
  rolloutStepStarted,
  rolloutWatched,
} from './facts.ts'

/** What happened to a rollout at one moment, in words. */
export type StoryLine = { readonly at: number; readonly seq: number; readonly text: string }

/** A deployment's facts as people read them, in their order; what says nothing to them is left out. */
export const storyOf = (facts: readonly RecordedFact[]): StoryLine[] =>
  facts.flatMap((fact) => {
    const text = wordsFor(fact, heldBackIn(facts))
    return text === null ? [] : [{ at: fact.at, seq: fact.seq, text }]
  })

/** What stays with the old version beside all steps while the new one is watched, in per cent. */
const heldBackIn = (facts: readonly RecordedFact[]): number =>
  facts.reduce((known, fact) => {
    if (!isFact(rolloutStarted, fact)) return known
    const { timeMs, holdbackPercent } = fact.payload.watch
    return timeMs > 0 ? holdbackPercent : 0
  }, 0)

const wordsFor = (fact: RecordedFact, heldBackPercent: number): string | null => {
  if (isFact(deploymentRequested, fact)) {
    const { commit, reason, environment } = fact.payload
    return `${shortCommit(commit)} is asked for in ${environment} by ${fact.actor} (${reason})`
  }
  if (isFact(deploymentCommitted, fact)) return `stands in headway/environments as ${shortCommit(fact.payload.desired)}`
  if (isFact(migrationAdvised, fact)) {
    const [first, ...others] = fact.payload.findings
    return first
      ? `advice: ${first.statement} in ${first.file}:${first.line}${others.length > 0 ? ` and ${others.length} more` : ''}`
      : null
  }
  if (isFact(migrationStarted, fact)) return 'its migration begins'
  if (isFact(migrationFinished, fact)) {
    const { outcome, durationMs, detail } = fact.payload
    const took = describeDuration(durationMs)
    return outcome === 'succeeded'
      ? `its migration is done, in ${took}`
      : `its migration ${detail ?? outcome} (${took})`
  }
  if (isFact(rolloutStarted, fact)) {
    const { strategy, steps, instances, baseline } = fact.payload
    const weights = steps.map(({ weightPercent }) => `${weightPercent} %`).join(', ')
    const count = `${instances.length} ${instances.length === 1 ? 'instance' : 'instances'}`
    return baseline === null ? `starts ${count}, the first of this service` : `${strategy} through ${weights}, ${count}`
  }
  if (isFact(rolloutStepStarted, fact)) {
    const { weightPercent } = fact.payload
    return weightPercent === 100 && heldBackPercent > 0
      ? `has ${100 - heldBackPercent} % of the traffic; a hold-back of ${heldBackPercent} % stays with the old version`
      : `has ${weightPercent} % of the traffic`
  }
  if (isFact(rolloutJudged, fact)) return `judged: ${fact.payload.verdict}, ${fact.payload.reason}`
  if (isFact(rolloutPaused, fact)) return `paused by ${said(fact.payload)}`
  if (isFact(rolloutResumed, fact)) return `resumed by ${said(fact.payload)}`
  if (isFact(rolloutPromoted, fact)) return `promoted by ${said(fact.payload)}`
  if (isFact(rolloutAborted, fact)) return `taken back by ${said(fact.payload)}`
  if (isFact(rolloutShifted, fact)) return heldBackPercent > 0 ? 'has all traffic but the hold-back' : 'has all traffic'
  if (isFact(rolloutWatched, fact)) return 'the watch ended well'
  if (isFact(deploymentFinished, fact)) {
    const { outcome, detail } = fact.payload
    return detail === null ? `${outcome}` : `${outcome}: ${detail}`
  }
  return null
}

const said = ({ by, reason }: { by: string; reason: string }): string => (reason === '' ? by : `${by}: ${reason}`)

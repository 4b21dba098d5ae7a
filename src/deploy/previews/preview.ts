import { workflowEventConcluded } from '../../build/facts.ts'
import {
  changeAbandoned,
  changeMerged,
  changeOpened,
  changeReopened,
  changeTestRequested,
  changeUpdated,
} from '../../code/facts.ts'
import { isFact, type RecordedFact } from '../../ledger/fact.ts'
import type { CommitId, ServiceName } from '../../names.ts'
import { changePackaged } from '../../package/facts.ts'
import {
  type PreviewKey,
  previewAsked,
  previewBegun,
  previewEnding,
  previewFailed,
  previewHeld,
  previewReady,
  previewRemoved,
} from './facts.ts'

export type PreviewStatus = 'none' | 'packaging' | 'deploying' | 'ready' | 'failed' | 'ending' | 'removed'
export type EndReason = ReturnType<typeof previewEnding.payload.parse>['why']
type Packaged = ReturnType<typeof changePackaged.payload.parse>

/** The preview of a change as the facts about both tell it. Times in milliseconds since 1970. */
export type Preview = PreviewKey & {
  /** The newest fact about the preview itself; 0: none yet. */
  readonly seq: number
  /** Whether the change is open; else how it ended. */
  readonly change: 'open' | 'merged' | 'closed'
  readonly version: number
  /** Who has pushed the newest version; null for what is no person. */
  readonly user: string | null
  /** When somebody last did something for it. */
  readonly at: number
  /** The newest test of the merge result, and whether it has passed. */
  readonly test: {
    readonly event: string
    readonly version: number
    readonly commit: CommitId
    readonly hasPassed: boolean
    readonly seq: number
  } | null
  /** The version that somebody who may has asked for. */
  readonly askedVersion: number | null
  /** Asked for once more since it was last begun. */
  readonly isAskedAgain: boolean
  readonly status: PreviewStatus
  readonly begun: {
    readonly seq: number
    readonly event: string
    readonly version: number
    readonly commit: CommitId
  } | null
  readonly held: {
    readonly event: string
    readonly why: 'quota' | 'rights'
    readonly detail: string
    readonly next: string
  } | null
  readonly packaged: Pick<Packaged, 'packaged' | 'failed'> | null
  /** Everything that may stand, and has to be taken down. */
  readonly services: readonly ServiceName[]
  readonly ready: {
    readonly version: number
    readonly services: readonly { readonly service: ServiceName; readonly url: string }[]
  } | null
  readonly failure: {
    readonly detail: string
    readonly lastLines: readonly string[]
    readonly next: string | null
  } | null
  readonly ending: EndReason | null
}

/** The state after one more fact about the change or its preview; null until the change is opened. */
export const evolve = (preview: Preview | null, recorded: RecordedFact): Preview | null => {
  if (isFact(changeOpened, recorded)) {
    const { project, repository, number, user } = recorded.payload
    return { ...fresh, project, repository, number, user, at: recorded.at }
  }
  return preview && (ofChange(preview, recorded) ?? ofPreview(preview, recorded) ?? preview)
}

const fresh = {
  seq: 0,
  change: 'open',
  version: 1,
  test: null,
  askedVersion: null,
  isAskedAgain: false,
  status: 'none',
  begun: null,
  held: null,
  packaged: null,
  services: [],
  ready: null,
  failure: null,
  ending: null,
} as const

const ofChange = (preview: Preview, recorded: RecordedFact): Preview | null => {
  const { at, seq } = recorded
  if (isFact(changeUpdated, recorded)) {
    const { version, user } = recorded.payload
    return { ...preview, version, user, at, held: null }
  }
  if (isFact(changeTestRequested, recorded)) {
    const { event, version, candidate, purpose } = recorded.payload
    // What is tested on top of others in the queue is about to land.
    if (purpose === 'queue') return preview
    return { ...preview, test: { event, version, commit: candidate, hasPassed: false, seq }, held: null }
  }
  if (isFact(workflowEventConcluded, recorded)) {
    const { event, conclusion } = recorded.payload
    const hasPassed = conclusion === 'success' || conclusion === 'skipped'
    return preview.test?.event === event ? { ...preview, test: { ...preview.test, hasPassed } } : preview
  }
  if (isFact(changeMerged, recorded)) return { ...preview, change: 'merged', held: null }
  if (isFact(changeAbandoned, recorded)) return { ...preview, change: 'closed', held: null }
  if (isFact(changeReopened, recorded)) return { ...preview, change: 'open', at, test: null }
  return null
}

const ofPreview = (before: Preview, recorded: RecordedFact): Preview | null => {
  const preview = { ...before, seq: recorded.seq }
  if (isFact(previewBegun, recorded)) {
    const { event, version, commit } = recorded.payload
    const begun = { seq: recorded.seq, event, version, commit }
    const rest = { held: null, packaged: null, failure: null, isAskedAgain: false, ending: null }
    return { ...preview, ...rest, status: 'packaging', begun }
  }
  if (isFact(changePackaged, recorded)) {
    const { begun, packaged, failed } = recorded.payload
    if (preview.status !== 'packaging' || preview.begun?.seq !== begun) return preview
    const services = [...new Set([...preview.services, ...packaged.map(({ service }) => service)])]
    return { ...preview, status: 'deploying', packaged: { packaged, failed }, services }
  }
  if (isFact(previewHeld, recorded)) {
    const { event, why, detail, next } = recorded.payload
    return { ...preview, held: { event, why, detail, next } }
  }
  if (isFact(previewReady, recorded)) {
    const { version, services } = recorded.payload
    const standing = services.map(({ service }) => service)
    return { ...preview, status: 'ready', ready: { version, services }, failure: null, services: standing }
  }
  if (isFact(previewFailed, recorded)) {
    const { detail, lastLines, next } = recorded.payload
    return { ...preview, status: 'failed', failure: { detail, lastLines, next } }
  }
  if (isFact(previewAsked, recorded)) {
    const { version } = recorded.payload
    return { ...preview, askedVersion: version, isAskedAgain: true, at: recorded.at }
  }
  if (isFact(previewEnding, recorded)) return { ...preview, status: 'ending', ending: recorded.payload.why, held: null }
  if (isFact(previewRemoved, recorded)) return { ...preview, status: 'removed', ...nothing }
  return null
}

const nothing = { packaged: null, services: [], ready: null, failure: null } as const

/** Whether anything of it stands, or is being made or taken down: then it counts for the quota. */
export const stands = ({ status, services }: Preview): boolean =>
  status === 'packaging' || status === 'deploying' || status === 'ending' || services.length > 0

/** Whether its newest passed merge result is not the one that was last begun. */
export const isWanted = ({ change, test, begun, status, isAskedAgain }: Preview): boolean =>
  change === 'open' &&
  status !== 'ending' &&
  test?.hasPassed === true &&
  (begun?.event !== test.event || (isAskedAgain && status !== 'packaging' && status !== 'deploying'))

/** What a preview is called where people read it: `change 7 of shop`. */
export const nameOf = ({ repository, number }: PreviewKey): string => `change ${number} of ${repository}`

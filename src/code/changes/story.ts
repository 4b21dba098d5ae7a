import { runQueued, skipNote, workflowEventConcluded } from '../../build/facts.ts'
import { previewFailed, previewHeld, previewReady } from '../../deploy/facts.ts'
import { describeDuration } from '../../duration.ts'
import { isFact, type RecordedFact } from '../../ledger/fact.ts'
import type { RepositoryKey } from '../address.ts'
import { failuresOf, narrate, runsToOpen } from '../narration.ts'
import { plainText } from '../plain-text.ts'
import { detailLine, mark, nextLine, quoted, verdictLines } from '../story-lines.ts'
import { beginNarration, type Narration } from '../telling.ts'
import {
  approvalDismissed,
  type ChangeKey,
  changeAbandoned,
  changeConflicted,
  changeMerged,
  changeTestRequested,
  changeUpdated,
  proposalAnswered,
} from './facts.ts'

/** Everything that the story of a change listens to, besides what its checks do. */
export const changeStoryFacts: readonly string[] = [
  ...[proposalAnswered, changeUpdated, approvalDismissed, changeTestRequested, changeConflicted],
  ...[changeMerged, changeAbandoned, workflowEventConcluded, previewHeld, previewReady, previewFailed],
].map(({ type }) => type)

/** What a push hears of the change that it has opened or updated. */
export type ChangeStory = RepositoryKey & {
  readonly push: string
  readonly ref: string
  /** Null until the push that asks for it is answered. */
  readonly number: number | null
  /** The checks of its merge result; null until they are asked for. */
  readonly checks: Narration | null
  /** Whether a preview follows when they have passed. */
  readonly hasPreview: boolean
  /** The test that has passed, whose preview is awaited, and since when; null before. */
  readonly passed: { readonly event: string; readonly at: number } | null
  readonly ended: boolean
  /** Whether it ended with something that has to be mended. */
  readonly hasFailed: boolean
}

export type ToldOfChange = { readonly narration: ChangeStory; readonly lines: readonly string[] }

export const beginChangeStory = (
  about: Omit<ChangeStory, 'checks' | 'passed' | 'ended' | 'hasFailed'>,
): ChangeStory => ({
  ...about,
  checks: null,
  passed: null,
  ended: false,
  hasFailed: false,
})

/** What a fact adds to the story; `urlOf` says where a change is shown. */
export const narrateChange = (
  story: ChangeStory,
  fact: RecordedFact,
  urlOf: (key: ChangeKey) => string,
): ToldOfChange => {
  if (story.ended) return told(story)
  return (
    tellNumber(story, fact, urlOf) ??
    tellEnd(story, fact) ??
    tellPreview(story, fact) ??
    tellTest(story, fact) ??
    told(story)
  )
}

const tellNumber = (story: ChangeStory, fact: RecordedFact, urlOf: (key: ChangeKey) => string): ToldOfChange | null => {
  if (isFact(proposalAnswered, fact) && fact.payload.push === story.push && fact.payload.ref === story.ref) {
    const { number, why, project, repository } = fact.payload
    if (number === null) return failed(story, [mark('✗', 'no change'), detailLine(why ?? '')])
    if (number === story.number) return told(story)
    return told({ ...story, number }, [mark('·', `change ${number}`, '', urlOf({ project, repository, number }))])
  }
  if (isFact(changeUpdated, fact) && isSameBranch(story, fact)) {
    const { number, version, push, project, repository } = fact.payload
    if (story.number !== null && number !== story.number) return null
    if (push !== story.push)
      return story.number === null ? null : ended(story, [mark('-', `change ${number}`, '', 'was pushed again')])
    const where = urlOf({ project, repository, number })
    return told({ ...story, number }, [mark('·', `change ${number}`, '', `version ${version}  ${where}`)])
  }
  return null
}

const isSameBranch = (story: ChangeStory, { subject }: RecordedFact): boolean =>
  subject.startsWith(`change:${story.project}/${story.repository}/`)

const isOwn = (story: ChangeStory, { subject }: RecordedFact): boolean =>
  story.number !== null && subject === `change:${story.project}/${story.repository}/${story.number}`

const tellTest = (story: ChangeStory, fact: RecordedFact): ToldOfChange | null => {
  if (isFact(approvalDismissed, fact) && isOwn(story, fact))
    return told(story, [mark('-', 'approval', '', `of ${fact.payload.user} dismissed: ${plainText(fact.payload.why)}`)])
  if (isFact(changeConflicted, fact) && isOwn(story, fact)) {
    const { files, detail } = fact.payload
    const shown = files.slice(0, 12).map((file) => detailLine(file))
    const what = detail || `${files.length} file${files.length === 1 ? '' : 's'} to merge by hand`
    return failed(story, [mark('✗', 'conflict', '', plainText(what)), ...shown, ...nextLine(mendConflict)])
  }
  if (isFact(changeTestRequested, fact) && isOwn(story, fact)) {
    const about = { push: fact.payload.event, project: story.project, way: [], receivedAt: fact.at, committedAt: null }
    return told({ ...story, checks: beginNarration(about) })
  }
  if (story.checks === null) return null
  if (isFact(workflowEventConcluded, fact) && fact.payload.event === story.checks.push) {
    const { conclusion, failure, runs, notes = [] } = fact.payload
    const skip = notes.find((note) => note.startsWith(skipNote))
    if (conclusion === 'skipped' && skip)
      return failed(story, [`change ${story.number}: nothing has checked it: ${plainText(skip)}`])
    const name = `${story.repository}/${story.number}`
    if (conclusion === 'success' || conclusion === 'skipped') {
      const how = conclusion === 'success' ? 'its checks have passed' : 'nothing checks it'
      const line = `change ${story.number}: ${how}; headway changes merge ${name}`
      return story.hasPreview
        ? told({ ...story, passed: { event: fact.payload.event, at: fact.at } }, [line])
        : ended(story, [line])
    }
    return failed(
      story,
      verdictLines(
        conclusion,
        failuresOf(story.checks, failure),
        runsToOpen(
          story.checks,
          runs.map(({ run }) => run),
        ),
        `change ${story.number} is not merged`,
      ),
    )
  }
  const { narration: checks, lines } = narrate(story.checks, asOfPush(fact))
  return told({ ...story, checks }, lines)
}

/** The preview is no check: what becomes of it fails nothing. */
const tellPreview = (story: ChangeStory, fact: RecordedFact): ToldOfChange | null => {
  if (story.passed === null) return null
  const { event, at } = story.passed
  const took = describeDuration(fact.at - at)
  if (isFact(previewHeld, fact) && fact.payload.event === event)
    return ended(story, [mark('-', 'no preview', '', plainText(fact.payload.detail)), ...nextLine(fact.payload.next)])
  if (isFact(previewReady, fact) && fact.payload.event === event)
    return ended(
      story,
      fact.payload.services.map(({ service, url }) => mark('✓', `preview of ${service}`, took, url)),
    )
  if (isFact(previewFailed, fact) && fact.payload.event === event) {
    const { detail, lastLines, next } = fact.payload
    const said = [...plainText(detail).split('\n').map(detailLine), ...quoted(lastLines), ...nextLine(next)]
    return ended(story, [mark('✗', 'preview', took), ...said])
  }
  return null
}

const mendConflict = 'merge the target into the branch (git pull headway main) and push it again'

/** The narration of runs knows them by the push that they are of; those of an event are of the event. */
const asOfPush = (fact: RecordedFact): RecordedFact =>
  isFact(runQueued, fact) && fact.payload.event !== null
    ? { ...fact, payload: { ...fact.payload, push: fact.payload.event } }
    : fact

const tellEnd = (story: ChangeStory, fact: RecordedFact): ToldOfChange | null => {
  if (!isOwn(story, fact)) return null
  if (isFact(changeMerged, fact)) return ended(story, [`change ${story.number} is merged`])
  if (isFact(changeAbandoned, fact)) return ended(story, [`change ${story.number}: ${plainText(fact.payload.why)}`])
  return null
}

const told = (narration: ChangeStory, lines: readonly string[] = []): ToldOfChange => ({ narration, lines })
const ended = (narration: ChangeStory, lines: readonly string[]): ToldOfChange =>
  told({ ...narration, ended: true }, lines)
const failed = (narration: ChangeStory, lines: readonly string[]): ToldOfChange =>
  told({ ...narration, ended: true, hasFailed: true }, lines)

import { z } from 'zod'
import { defineFact } from '../../ledger/fact.ts'
import { CommitId, ProjectName, RepositoryName, ServiceName } from '../../names.ts'
import { PreviewRules } from './rules.ts'

/** The change that a preview is of, by its number within its repository. */
export type PreviewKey = {
  readonly project: ProjectName
  readonly repository: RepositoryName
  readonly number: number
}
/** Subject of all facts about the preview of a change, however often it is taken down and made again. */
export const previewSubject = ({ project, repository, number }: PreviewKey): string =>
  `preview:${project}/${repository}/${number}`

const key = { project: ProjectName, repository: RepositoryName, number: z.int().positive() }
/** Of which version of the change; `event` is the test of its merge result that has passed. */
const ofVersion = { ...key, version: z.int().positive(), event: z.string() }

/** It is to be made, or brought to this merge result. What it needs is packaged next. */
export const previewBegun = defineFact('preview.begun', 1, z.object({ ...ofVersion, commit: CommitId }))
/** Something that somebody else can do stands against it; it begins as soon as that is done. */
export const previewHeld = defineFact(
  'preview.held',
  1,
  z.object({ ...ofVersion, why: z.enum(['quota', 'rights']), detail: z.string(), next: z.string() }),
)
/** It answers. No services: there is nothing in the repository that could be looked at. */
export const previewReady = defineFact(
  'preview.ready',
  1,
  z.object({ ...ofVersion, commit: CommitId, services: z.array(z.object({ service: ServiceName, url: z.string() })) }),
)
/** It could not be made; what stood there before stays. */
export const previewFailed = defineFact(
  'preview.failed',
  1,
  z.object({
    ...ofVersion,
    commit: CommitId,
    detail: z.string(),
    lastLines: z.array(z.string()),
    next: z.string().nullable(),
  }),
)
/** Somebody who may wants it, whoever has pushed the version; also once more, after it failed or was taken down. */
export const previewAsked = defineFact(
  'preview.asked',
  1,
  z.object({ ...key, version: z.int().positive(), user: z.string() }),
)
const Why = z.enum(['merged', 'closed', 'aged', 'removed', 'disabled'])
/** Everything of it is to go; said before anything does. */
export const previewEnding = defineFact('preview.ending', 1, z.object({ ...key, why: Why }))
/** Nothing of it is left: instances, routes, databases, credentials, files. */
export const previewRemoved = defineFact('preview.removed', 1, z.object({ ...key, why: Why }))
export const previewRulesSet = defineFact(
  'preview-rules.set',
  1,
  z.object({ project: ProjectName, rules: PreviewRules }),
)

export const previewFacts = [
  previewBegun,
  previewHeld,
  previewReady,
  previewFailed,
  previewAsked,
  previewEnding,
  previewRemoved,
  previewRulesSet,
] as const

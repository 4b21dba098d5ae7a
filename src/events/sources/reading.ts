import { z } from 'zod'
import type { Mapping, Told } from '../records.ts'
import type { Headers } from '../signatures.ts'

export const SourceKind = z.enum([
  'github',
  'gitlab',
  'jenkins',
  'argocd',
  'flux',
  'alertmanager',
  'pagerduty',
  'cdevents',
  'plain',
])
export type SourceKind = z.infer<typeof SourceKind>

/** What an administrator has said of a source besides its secret. */
export type SourceRules = {
  /** Whether what runs under this name (a job, a workflow) deploys. */
  deployJobs(name: string): boolean
  /** Whether a published release is a deployment. */
  readonly releases: boolean
  /** An issue with one of these labels is an incident. */
  readonly incidentLabels: readonly string[]
}

export type Reading = (delivery: {
  readonly headers: Headers
  readonly content: unknown
  readonly source: SourceRules
}) => Told

/** What a commit's message says that is measured: that it merges, or takes another one back. */
export const saidIn = (message: string): { isMerge: boolean; reverts: string | null } => ({
  isMerge: /^Merge (branch|pull request|remote-tracking branch|tag|commit)\b/.test(message),
  reverts: /^This reverts commit ([0-9a-f]{7,64})\b/m.exec(message.slice(0, 10_000))?.[1] ?? null,
})

/** A title as it is kept: never empty, cut where it is too long. */
export const titled = (text: string | null | undefined): string => text?.trim().slice(0, 500) || 'no title'

/** The service and environment that the first mapping gives of which a pattern fits; null: none does. */
export const placeBy = (mappings: readonly Mapping[], names: readonly (string | undefined)[]): Mapping | null =>
  mappings.find(({ match }) => names.some((name) => name !== undefined && fits(match, name))) ?? null

/** Whether a name is of a pattern in which `*` stands for anything. Linear: the text is cut at the pattern's fixed parts. */
export const fits = (pattern: string, name: string): boolean => {
  const parts = pattern.split('*')
  const [first = '', last = ''] = [parts[0], parts.at(-1)]
  if (parts.length === 1) return name === pattern
  if (!name.startsWith(first) || !name.endsWith(last) || name.length < first.length + last.length) return false
  let from = first.length
  for (const part of parts.slice(1, -1)) {
    const found = name.indexOf(part, from)
    if (found < 0 || found + part.length > name.length - last.length) return false
    from = found + part.length
  }
  return true
}

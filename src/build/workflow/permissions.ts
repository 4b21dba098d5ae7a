import { literalEntries, type Template, textOf } from './template.ts'

/** What a job's token may do, by scope (`contents`, `packages`, `id-token`). Scopes that are not named: nothing. */
export type Permissions = Readonly<Record<string, 'read' | 'write'>>

/** All scopes that a token can have. https://docs.github.com/en/actions/reference/workflows-and-actions/workflow-syntax#permissions */
const scopes = [
  'actions',
  'artifact-metadata',
  'attestations',
  'checks',
  'contents',
  'deployments',
  'discussions',
  'id-token',
  'issues',
  'models',
  'packages',
  'pages',
  'pull-requests',
  'security-events',
  'statuses',
] as const

/** Where neither the job nor the workflow says anything: GitHub's restricted default. */
export const defaultPermissions: Permissions = { contents: 'read', packages: 'read' }

/** `permissions` as written: a mapping, `read-all`, `write-all`, `{}`; undefined when it is not there. */
export const permissionsOf = (template: Template | undefined): Permissions | undefined => {
  if (template === undefined) return undefined
  const all = textOf(template)
  if (all === 'read-all') return everything('read')
  if (all === 'write-all') return everything('write')
  return Object.fromEntries(
    literalEntries(template).flatMap(({ name, value }): [string, 'read' | 'write'][] => {
      const level = textOf(value)
      return level === 'read' || level === 'write' ? [[name, level]] : []
    }),
  )
}

/** An identity token is never only read. */
const everything = (level: 'read' | 'write'): Permissions =>
  Object.fromEntries(scopes.filter((scope) => scope !== 'id-token' || level === 'write').map((scope) => [scope, level]))

/** The lower of both for each scope: a called workflow can only have less than its caller. */
export const atMost = (wanted: Permissions, ceiling: Permissions): Permissions =>
  Object.fromEntries(
    Object.entries(wanted).flatMap(([scope, level]): [string, 'read' | 'write'][] => {
      const highest = ceiling[scope]
      return highest === undefined ? [] : [[scope, highest === 'read' ? 'read' : level]]
    }),
  )

/** What is left for a run that is not trusted: it reads, and cannot prove who it is. */
export const onlyReading = (wanted: Permissions): Permissions =>
  Object.fromEntries(
    Object.keys(wanted)
      .filter((scope) => scope !== 'id-token')
      .map((scope) => [scope, 'read' as const]),
  )

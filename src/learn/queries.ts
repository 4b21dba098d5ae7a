import type { Views } from '../ledger/ledger.ts'
import type { ProjectName } from '../names.ts'
import type { Store } from '../store/store.ts'
import { broughtReleases } from './brought.ts'
import { recoveryOf, unpackLeads } from './dora/assess.ts'
import type { Span } from './dora/calendar.ts'
import { defaultWindowMs } from './dora/lane.ts'
import { distributionOf } from './dora/quantile.ts'
import { lanesOf, type Scope } from './dora/question.ts'
import { knownPlaces } from './incidents/known.ts'
import type { DeploymentRow, DoraTables, IncidentRow } from './tables.ts'

/** The deployments behind a figure. */
export type Behind = 'all' | 'failed' | 'suspected' | 'open' | 'rework' | 'pending' | 'dropped'

/** The way down from a figure to what is behind it. Answers are as new as the ledger. */
export const createQueries = ({ store, views }: { readonly store: Store; readonly views: Views }) => {
  const db = store.tables<DoraTables>()

  /** Deployments with where each went, and the commit that its release was made of. */
  const placed = () =>
    broughtReleases(db)
      .selectAll('learn_deployments')
      .select(['learn_lanes.project', 'learn_lanes.service', 'learn_releases.commit_id as commit'])

  /** What these deployments of a project brought where, by their keys; what is no deployment of it is left out. */
  const versions = async (project: string, keys: readonly string[]): Promise<ReadonlyMap<string, Version>> => {
    if (keys.length === 0) return new Map()
    const rows = await placed()
      .where('learn_lanes.project', '=', project)
      .where('key', 'in', [...new Set(keys)])
      .execute()
    return new Map(
      rows.map(({ key, service, environment, revision, commit }) => [key, { service, environment, revision, commit }]),
    )
  }

  /** Each of these with the version that the deployment it names has brought. */
  const versioned = async <Named extends { readonly deployment: string | null }>(
    project: string,
    all: readonly Named[],
  ): Promise<(Named & { version: Version | null })[]> => {
    const known = await versions(
      project,
      all.flatMap(({ deployment: key }) => key ?? []),
    )
    return all.map((one) => ({ ...one, version: known.get(one.deployment ?? '') ?? null }))
  }

  /** The services that are known, and where, by name. */
  const lanes = async (project: ProjectName) => {
    await views.reach()
    return knownPlaces(db, project)
  }

  /** Deployments that the figures of a span were made from, newest first, up to `limit`; `before` pages on. */
  const deployments = async (
    scope: Scope,
    span: Span,
    { behind = 'all', limit = 50 }: { behind?: Behind | undefined; limit?: number | undefined } = {},
  ) => {
    await views.reach()
    const lanes = await lanesOf(db, scope)
    if (lanes.length === 0) return []
    let rows = placed()
      .where('learn_deployments.lane', 'in', lanes)
      .where('counted', '=', 1)
      .where('live_at', '>=', span.from)
      .where('live_at', '<', span.until)
    if (behind === 'failed') rows = rows.where('failed', '=', 1)
    if (behind === 'suspected') rows = rows.where('failed_how', '=', 'suspected')
    if (behind === 'open') rows = rows.where('failed', '=', 1).where('restored_at', 'is', null)
    if (behind === 'rework') rows = rows.where('rework', '=', 1)
    if (behind === 'pending') rows = rows.where('pending', '=', 1)
    if (behind === 'dropped')
      rows = rows.where((where) =>
        where.or((['first', 'merges', 'negative', 'unknown', 'again'] as const).map((name) => where(name, '>', 0))),
      )
    const found = await rows.orderBy('live_at', 'desc').orderBy('id', 'desc').limit(limit).execute()
    return found.map(shown)
  }

  /** A deployment with its commits, the incidents that are put down to it, and what it mends and is mended by; null: unknown. */
  const deployment = async (project: ProjectName, key: string) => {
    await views.reach()
    const row = await placed().where('key', '=', key).where('learn_lanes.project', '=', project).executeTakeFirst()
    if (!row) return null
    const commits = await db
      .selectFrom('learn_commits')
      .selectAll()
      .where('deployment', '=', row.id)
      .orderBy('committed_at')
      .orderBy('commit_id')
      .limit(1_000)
      .execute()
    const incidents = await db.selectFrom('learn_incidents').selectAll().where('deployment', '=', row.id).execute()
    const links = (mine: 'deployment' | 'blamed', other: 'deployment' | 'blamed') =>
      db
        .selectFrom('learn_blames')
        .innerJoin('learn_deployments', 'learn_deployments.id', `learn_blames.${other}`)
        .select(['learn_deployments.key', 'learn_blames.how'])
        .where(`learn_blames.${mine}`, '=', row.id)
        .orderBy('learn_deployments.id')
        .execute()
    const linked = async (mine: 'deployment' | 'blamed', other: 'deployment' | 'blamed') =>
      versioned(
        project,
        (await links(mine, other)).map(({ key, how }) => ({ deployment: key, how })),
      )
    return {
      ...shown(row),
      commits: commits.map(({ commit_id, repository, committed_at, is_merge }) => ({
        ...{ commit: commit_id, repository, committedAt: committed_at, isMerge: is_merge === 1 },
        leadTimeMs:
          committed_at === null || row.live_at === null || is_merge === 1 || row.first > 0
            ? null
            : row.live_at - committed_at,
      })),
      incidents: incidents.map(incidentShown),
      mends: await linked('deployment', 'blamed'),
      mendedBy: await linked('blamed', 'deployment'),
    }
  }

  /** Incidents with the key of the deployment that each is put down to. */
  const blamed = () =>
    db
      .selectFrom('learn_incidents')
      .leftJoin('learn_deployments', 'learn_deployments.id', 'learn_incidents.deployment')
      .selectAll('learn_incidents')
      .select('learn_deployments.key as blamed')

  /** Incidents of a project, newest first, up to `limit`, each with the deployment that it is put down to and its version. */
  const incidents = async (
    { project, service, isOpen }: { project: ProjectName; service?: string | undefined; isOpen?: boolean | undefined },
    limit = 50,
  ) => {
    await views.reach()
    let rows = blamed().where('project', '=', project)
    if (service !== undefined) rows = rows.where('service', '=', service)
    if (isOpen) rows = rows.where('resolved_at', 'is', null).where('dismissed', '=', 0)
    const found = await rows.orderBy('began_at', 'desc').orderBy('seq', 'desc').limit(limit).execute()
    return versioned(
      project,
      found.map((row) => ({ ...incidentShown(row), deployment: row.blamed })),
    )
  }

  /** One of them; null: this project has none of that name. */
  const incident = async (project: ProjectName, name: string) => {
    await views.reach()
    const row = await blamed().where('incident', '=', name).where('project', '=', project).executeTakeFirst()
    if (!row) return null
    const [shown] = await versioned(project, [{ ...incidentShown(row), deployment: row.blamed }])
    return shown ?? null
  }

  /** How long after a deployment an incident of a project is suspected to come from it. */
  const window = async (project: ProjectName): Promise<number> => {
    await views.reach()
    const row = await db
      .selectFrom('learn_windows')
      .select('window_ms')
      .where('project', '=', project)
      .executeTakeFirst()
    return row ? row.window_ms : defaultWindowMs
  }

  /** Median lead times of deployments, for those that have any. */
  const leadTimes = async (keys: readonly string[]): Promise<ReadonlyMap<string, number>> => {
    if (keys.length === 0) return new Map()
    await views.reach()
    const rows = await db
      .selectFrom('learn_deployments')
      .select(['key', 'leads'])
      .where('key', 'in', [...keys])
      .execute()
    return new Map(
      rows.flatMap(({ key, leads }) => {
        const { median } = distributionOf(unpackLeads(leads))
        return median === null ? [] : [[key, median] as const]
      }),
    )
  }

  return { lanes, deployments, deployment, versioned, incidents, incident, leadTimes, window }
}

/** What a deployment brought where. `commit`: what its release was made of; null for what another system tells of. */
export type Version = {
  readonly service: string
  readonly environment: string
  readonly revision: string | null
  readonly commit: string | null
}

const shown = (row: DeploymentRow & { project: string; service: string; commit: string | null }) => {
  const { median, p90, n } = distributionOf(unpackLeads(row.leads))
  return {
    deployment: row.key,
    ...{ project: row.project, service: row.service, environment: row.environment, source: row.source },
    ...{ state: row.state, kind: row.kind, revision: row.revision, commit: row.commit, liveAt: row.live_at },
    ...{ isPending: row.pending === 1, isFailure: row.failed === 1, how: row.failed_how, isRework: row.rework === 1 },
    ...{ restoredAt: row.restored_at, recoveryMs: recoveryOf(row), lines: row.lines, commitCount: row.commits },
    leadTime: { median, p90, n },
    dropped: { first: row.first, merge: row.merges, negative: row.negative, unknown: row.unknown, again: row.again },
  }
}

const incidentShown = (row: IncidentRow) => ({
  ...{ incident: row.incident, project: row.project, service: row.service, environment: row.environment },
  ...{ title: row.title, source: row.source, key: row.key, beganAt: row.began_at, detectedAt: row.detected_at },
  ...{ acknowledgedAt: row.acknowledged_at, mitigatedAt: row.mitigated_at, resolvedAt: row.resolved_at },
  ...{ isDismissed: row.dismissed === 1, how: row.how },
})

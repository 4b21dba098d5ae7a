import type { Clock, Ids } from '../../clock.ts'
import { fact, type NewFact } from '../../ledger/fact.ts'
import type { Ledger, Views } from '../../ledger/ledger.ts'
import type { EnvironmentName, ProjectName, ServiceName } from '../../names.ts'
import { Problem } from '../../problem.ts'
import type { Store } from '../../store/store.ts'
import {
  attributionWindowSet,
  deliveryCorrected,
  incidentAcknowledged,
  incidentAttributed,
  incidentDismissed,
  incidentMitigated,
  incidentOpened,
  incidentReopened,
  incidentResolved,
  incidentSubject,
} from '../facts.ts'
import type { DoraTables, IncidentRow } from '../tables.ts'
import { refuseUnknown } from './known.ts'

export type OrderPorts = {
  readonly ledger: Ledger
  readonly store: Store
  readonly views: Views
  readonly clock: Clock
  readonly ids: Ids
}
/** What somebody says of an incident by hand. */
export type NewIncident = {
  readonly project: ProjectName
  readonly service: ServiceName | null
  readonly environment: EnvironmentName | null
  readonly title: string
  readonly impactStartedAt: number | null
  readonly detectedAt: number | null
  readonly causedBy: string | null
}
export type Progress = 'acknowledge' | 'mitigate' | 'resolve' | 'reopen'

const progressFacts = {
  acknowledge: incidentAcknowledged,
  mitigate: incidentMitigated,
  resolve: incidentResolved,
  reopen: incidentReopened,
}

/** What people tell of incidents and of what deployments were. Everything is a fact; refusals are Problems. */
export const createIncidentOrders = ({ ledger, store, views, clock, ids }: OrderPorts) => {
  const db = store.tables<DoraTables>()
  const append = async (told: NewFact): Promise<void> => {
    await ledger.append([told])
    await views.reach()
  }

  const known = async (project: ProjectName, incident: string): Promise<IncidentRow> => {
    await views.reach()
    const row = await db
      .selectFrom('learn_incidents')
      .selectAll()
      .where('incident', '=', incident)
      .where('project', '=', project)
      .executeTakeFirst()
    if (!row) throw noIncident(incident)
    return row
  }

  /** A deployment of this project; a Problem for any other. */
  const deploymentIn = async (project: ProjectName, key: string): Promise<string> => {
    await views.reach()
    const row = await db
      .selectFrom('learn_deployments')
      .innerJoin('learn_lanes', 'learn_lanes.lane', 'learn_deployments.lane')
      .select('learn_deployments.key')
      .where('learn_deployments.key', '=', key)
      .where('learn_lanes.project', '=', project)
      .executeTakeFirst()
    if (!row) throw noDeployment(key)
    return row.key
  }

  return {
    /** Opens an incident and resolves to its name; of a service that nobody knows it opens none. */
    open: async (told: NewIncident, actor: string): Promise<string> => {
      const { detectedAt, causedBy, ...rest } = told
      await views.reach()
      await refuseUnknown(db, told)
      const cause = causedBy === null ? null : { deployment: await deploymentIn(told.project, causedBy) }
      const incident = ids('incident')
      const payload = {
        ...{ incident, ...rest, source: 'person', key: null, received: null },
        ...{ detectedAt: notLater(detectedAt, clock.now(), 'detectedAt'), causedBy: cause },
        impactStartedAt:
          told.impactStartedAt === null ? null : notLater(told.impactStartedAt, clock.now(), 'impactStartedAt'),
      }
      await append(fact(incidentOpened, { subject: incidentSubject(incident), actor, payload }))
      return incident
    },
    /** Says how far it has come; `at` null: now. */
    progress: async (
      what: Progress,
      { project, incident, at }: { project: ProjectName; incident: string; at: number | null },
      actor: string,
    ): Promise<void> => {
      await known(project, incident)
      const payload = { incident, at: notLater(at, clock.now(), 'at') }
      await append(fact(progressFacts[what], { subject: incidentSubject(incident), actor, payload }))
    },
    dismiss: async (project: ProjectName, incident: string, why: string, actor: string): Promise<void> => {
      await known(project, incident)
      await append(fact(incidentDismissed, { subject: incidentSubject(incident), actor, payload: { incident, why } }))
    },
    /** Says which deployment caused it; null: none. */
    attribute: async (
      { project, incident }: { project: ProjectName; incident: string },
      { deployment, why }: { deployment: string | null; why: string },
      actor: string,
    ): Promise<void> => {
      await known(project, incident)
      const named = deployment === null ? null : await deploymentIn(project, deployment)
      const payload = { incident, deployment: named, how: why, by: actor }
      await append(fact(incidentAttributed, { subject: incidentSubject(incident), actor, payload }))
    },
    /** How long after a deployment an incident is suspected to come from it; all incidents of the project are looked at again. */
    setWindow: async (project: ProjectName, windowMs: number, actor: string): Promise<void> =>
      append(fact(attributionWindowSet, { subject: `project:${project}`, actor, payload: { project, windowMs } })),
    /** Says of a deployment whether it has failed, and whether it was rework; null: as the rules say. */
    correct: async (
      { project, deployment }: { project: ProjectName; deployment: string },
      said: { isFailure: boolean | null; isRework: boolean | null; why: string },
      actor: string,
    ): Promise<void> => {
      const key = await deploymentIn(project, deployment)
      await append(
        fact(deliveryCorrected, { subject: `correction:${key}`, actor, payload: { deployment: key, ...said } }),
      )
    },
  }
}

const notLater = (at: number | null, now: number, path: string): number => {
  if (at === null) return now
  if (at <= now + 60_000) return at
  throw new Problem({ kind: 'in-the-future', status: 400, detail: `${path} has not come yet`, where: { path } })
}

export const noIncident = (incident: string): Problem =>
  new Problem({
    kind: 'incident-not-found',
    status: 404,
    detail: `there is no incident ${incident}`,
    next: 'headway incidents lists them',
  })

export const noDeployment = (deployment: string): Problem =>
  new Problem({
    kind: 'deployment-not-found',
    status: 404,
    detail: `there is no deployment ${deployment}`,
    next: 'headway insights deployments lists them',
  })

import type { Kysely } from 'kysely'
import { nearest } from '../../golden/nearest.ts'
import type { EnvironmentName, ProjectName, ServiceName } from '../../names.ts'
import { Problem } from '../../problem.ts'
import type { DoraTables } from '../tables.ts'

/**
 * Where services are known to be, by name: those that were deployed, here or elsewhere, and those of which another system told an incident. What
 * somebody says alone makes no service known.
 */
export const knownPlaces = (db: Kysely<DoraTables>, project: ProjectName) =>
  db
    .selectFrom('learn_lanes')
    .select(['service', 'environment'])
    .where('project', '=', project)
    .where(({ or, exists, selectFrom }) =>
      or([
        exists(
          selectFrom('learn_deployments').select('id').whereRef('learn_deployments.lane', '=', 'learn_lanes.lane'),
        ),
        exists(
          selectFrom('learn_incidents')
            .select('seq')
            .whereRef('learn_incidents.lane', '=', 'learn_lanes.lane')
            .where('source', '!=', 'person'),
        ),
      ]),
    )
    .orderBy('service')
    .orderBy('environment')
    .execute()

type Place = {
  readonly project: ProjectName
  readonly service: ServiceName | null
  readonly environment: EnvironmentName | null
}

/** Throws a Problem for a service that nobody knows, and for an environment in which it never was; without a service, an environment says nothing. */
export const refuseUnknown = async (
  db: Kysely<DoraTables>,
  { project, service, environment }: Place,
): Promise<void> => {
  if (service === null) return
  const places = await knownPlaces(db, project)
  const there = places.filter((one) => one.service === service).map((one) => one.environment)
  if (there.length > 0) {
    if (environment === null || there.includes(environment)) return
    throw neverThere(service, environment, there)
  }
  const released = await db
    .selectFrom('learn_releases')
    .select('service')
    .distinct()
    .where('project', '=', project)
    .execute()
  // It was never deployed, so that no environment is less right than another.
  if (released.some((one) => one.service === service)) return
  throw unknownService(project, service, [...new Set([...places, ...released].map((one) => one.service))])
}

const unknownService = (project: string, service: string, known: readonly string[]): Problem => {
  const meant = nearest(service, known)
  return new Problem({
    kind: 'service-not-found',
    status: 404,
    detail: `project ${project} knows no service ${service}${meant ? `; did you mean ${meant}?` : ''}`,
    where: { path: 'service' },
    next:
      known.length === 0
        ? 'leave out the service; one that is deployed elsewhere is known once its deployments are told of (docs/events.md)'
        : `known are ${listed(known)}; one that is deployed elsewhere, once its deployments are told of; or leave out the service`,
  })
}

const neverThere = (service: string, environment: string, there: readonly string[]): Problem => {
  const meant = nearest(environment, there)
  return new Problem({
    kind: 'environment-not-found',
    status: 404,
    detail: `${service} was never in ${environment}${meant ? `; did you mean ${meant}?` : ''}`,
    where: { path: 'environment' },
    next: `it is known in ${listed(there)}`,
  })
}

const most = 10
const listed = (names: readonly string[]): string => {
  const sorted = names.toSorted()
  return sorted.slice(0, most).join(', ') + (sorted.length > most ? ` and ${sorted.length - most} more` : '')
}

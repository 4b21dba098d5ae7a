import { createHash } from 'node:crypto'
import type { EnvironmentDefinition } from '../../deploy/index.ts'
import type { promotionRequested } from './facts.ts'
import type { Promotion } from './promotion.ts'
import type { OriginRow } from './queries.ts'

/** The wish that a release goes into an environment, before it is a fact. */
export type Requested = Omit<ReturnType<typeof promotionRequested.payload.parse>, 'authors'> & {
  readonly authors: readonly string[]
}

export const promotionIdFor = (what: string): string =>
  `promotion-${createHash('sha256').update(what).digest('hex').slice(0, 17)}`

/** Named by what it goes back to, so that it is asked for once however often it is looked at. */
export const requestOf = (
  { seq, project, service, release, commit, push, at }: OriginRow,
  { name }: EnvironmentDefinition,
  authors: readonly string[],
  from: string,
  askedAt: number,
): Requested => ({
  askedAt,
  promotion: promotionIdFor(`${from} ${seq} ${project}/${service}/${name}`),
  ...{
    project,
    service,
    environment: name,
    release,
    commit,
    from,
    origin: seq,
    since: at,
    push,
    authors,
    isKnown: false,
  },
})

/** The promotion that a wish begins. */
export const draftOf = ({ promotion, project, service, environment, ...asked }: Requested, by: string): Promotion => ({
  ...asked,
  id: promotion,
  target: { project, service, environment },
  requestedBy: by,
  requestedSeq: 0,
  seq: 0,
  approvals: [],
  held: null,
  ended: null,
})

import type { Clock } from '../clock.ts'
import type { ProjectName } from '../names.ts'
import { Problem } from '../problem.ts'
import type { Book } from './book.ts'
import { readCloudEvent } from './cdevents/records.ts'
import { parseJson, readEnvelopes } from './cloudevents.ts'
import type { Source } from './facts.ts'
import { type Arrival, identityOf, type Receipt, type Receiver } from './receive.ts'
import type { Headers } from './signatures.ts'
import { kinds, readBody } from './sources/index.ts'
import { readPlain } from './sources/plain.ts'
import { fits, type SourceRules } from './sources/reading.ts'

export type Request = { readonly headers: Headers; readonly body: Uint8Array }

/** So many deliveries may come at once from one source, and so many a second from then on. */
const burst = 600
const perSecond = 50

/** What others send comes in here: who sends it is known by the signature, what it says is parsed, and only then it is taken. */
export const createEventDoor = (ports: {
  book: Pick<Book, 'source' | 'secretOf'>
  receiver: Receiver
  clock: Pick<Clock, 'now' | 'monotonicMs'>
}) => {
  const { book, receiver, clock } = ports
  const buckets = new Map<string, { left: number; at: number }>()

  /** A delivery of a source. Throws a Problem: 401 for a wrong signature, 409 for an old one, 429, 400 for what cannot be read. */
  const deliver = async (project: ProjectName, name: string, { headers, body }: Request): Promise<Receipt> => {
    const source = await book.source(project, name)
    if (!source) throw unsigned()
    const { check, read } = kinds[source.kind]
    const secret = await book.secretOf(source)
    const signed = check({ headers, body, secret, now: clock.now() })
    if (signed === 'wrong') throw unsigned()
    if (signed === 'replayed') throw replayed()
    limit(`${project}/${name}`)
    const arrivals = read
      ? [await arrivalOf(source, await read(), { headers, body })]
      : readEnvelopes(headers, body).map(envelopeArrival)
    return receiver.receive({ ...source, actor: `source:${project}/${name}`, body, arrivals })
  }

  /** What somebody with a token tells: CDEvents in any mode, or records of our own. */
  const tell = async (project: ProjectName, name: string, request: Request, actor: string): Promise<Receipt> => {
    const known = await book.source(project, name)
    const { headers, body } = request
    const rules = known ?? { service: null, environment: null, mappings: [] }
    const isCloudEvent = /cloudevents/.test(headers.get('content-type') ?? '') || headers.get('ce-specversion') !== null
    const content = isCloudEvent ? null : parseJson(body)
    const arrivals =
      isCloudEvent || isCdEvent(content)
        ? readEnvelopes(headers, body).map(envelopeArrival)
        : [{ identity: identityOf(body), id: null, told: readBody(readPlain, { headers, content, source: noRules }) }]
    const kind = isCloudEvent || isCdEvent(content) ? ('cdevents' as const) : ('import' as const)
    return receiver.receive({ ...rules, project, source: name, kind, actor, body, arrivals })
  }

  const limit = (key: string): void => {
    const now = clock.monotonicMs()
    const { left, at } = buckets.get(key) ?? { left: burst, at: now }
    const refilled = Math.min(burst, left + ((now - at) / 1000) * perSecond)
    if (refilled < 1) throw tooMany()
    buckets.set(key, { left: refilled - 1, at: now })
  }

  return { deliver, tell }
}
export type EventDoor = ReturnType<typeof createEventDoor>

/**
 * The identity of a delivery is its bytes: the ids that systems send beside them in headers are not signed, so somebody who replays a body
 * could change them. PagerDuty's and those of standard webhooks are, but then so is the body.
 */
const arrivalOf = async (
  source: Source,
  read: Parameters<typeof readBody>[0],
  { headers, body }: Request,
): Promise<Arrival> => ({
  identity: identityOf(body),
  id: headers.get('x-github-delivery') ?? headers.get('x-gitlab-event-uuid') ?? headers.get('webhook-id'),
  told: readBody(read, { headers, content: parseJson(body), source: rulesOf(source) }),
})

const envelopeArrival = (envelope: ReturnType<typeof readEnvelopes>[number]): Arrival => ({
  identity: identityOf(envelope.source, envelope.id),
  id: envelope.id,
  told: readCloudEvent(envelope),
})

const isCdEvent = (content: unknown): boolean => {
  const first: unknown = Array.isArray(content) ? content[0] : content
  return typeof first === 'object' && first !== null && 'context' in first
}

/** What an administrator has said of a source, as its reader needs it. */
export const rulesOf = ({ deployJobs, releases, incidentLabels }: Source): SourceRules => ({
  ...{ releases, incidentLabels },
  deployJobs: (name) => deployJobs.some((pattern) => fits(pattern, name)),
})
const noRules: SourceRules = { releases: false, incidentLabels: [], deployJobs: () => false }

const unsigned = (): Problem =>
  new Problem({
    kind: 'unsigned',
    status: 401,
    detail: 'no source of that name has signed this',
    next: 'compare the secret there with that of headway events sources add; docs/events.md says how each system signs',
  })
const replayed = (): Problem =>
  new Problem({
    kind: 'replayed',
    status: 409,
    detail: 'this was signed more than five minutes ago, or by a clock that is as far from ours',
    next: 'set the clocks of both machines; what was sent before is not taken again',
  })
const tooMany = (): Problem =>
  new Problem({
    kind: 'too-many-events',
    status: 429,
    detail: `a source may send ${burst} deliveries at once and ${perSecond} a second from then on`,
    next: 'send them again in a while, or several in one batch',
  })

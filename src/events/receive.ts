import { createHash } from 'node:crypto'
import { z } from 'zod'
import { flawsIn } from '../api/flaws.ts'
import type { CarriedCommit } from '../learn/facts.ts'
import { fact, type NewFact, type RecordedFact } from '../ledger/fact.ts'
import type { Ledger, Views } from '../ledger/ledger.ts'
import type { Digest, EnvironmentName, ProjectName, ServiceName } from '../names.ts'
import { Problem } from '../problem.ts'
import type { Commits } from './commits.ts'
import { commitsPushed, eventReceived } from './facts.ts'
import { aheadOf, carried, chunks, factsOf, type Making } from './made.ts'
import { type Mapping, OutsideRecord, type Told } from './records.ts'
import type { Shelf } from './shelf.ts'
import type { SourceKind } from './sources/reading.ts'

/** Something that one delivery tells; a batch tells several. `identity` is what makes it the same when it comes again. */
export type Arrival = { readonly identity: string; readonly id: string | null; readonly told: Told }

export type Delivered = {
  readonly project: ProjectName
  readonly source: string
  readonly kind: SourceKind | 'import'
  readonly actor: string
  readonly service: ServiceName | null
  readonly environment: EnvironmentName | null
  readonly mappings: readonly Mapping[]
  /** The bytes that came. */
  readonly body: Uint8Array
  readonly arrivals: readonly Arrival[]
}

/** What became of a delivery: how many of its events are new, how many facts they made, and what has no place. */
export type Receipt = {
  readonly outcome: 'recorded' | 'duplicate'
  readonly events: number
  readonly facts: number
  readonly unplaced: readonly string[]
}

export type ReceiverPorts = {
  readonly ledger: Pick<Ledger, 'append' | 'read'>
  readonly views: Pick<Views, 'reach'>
  readonly commits: Commits
  readonly shelf: Shelf
  readonly clock: { now(): number }
}

const [askedAtOnce, readAtOnce] = [500, 1_000]

/**
 * Takes what others tell: keeps the bytes, makes the facts, and records them in one append. One delivery after the other, so that what is
 * told twice at once is taken once. What was taken before changes nothing.
 */
export const createReceiver = ({ ledger, views, commits, shelf, clock }: ReceiverPorts) => {
  let last: Promise<unknown> = Promise.resolve()

  const receive = async (delivered: Delivered): Promise<Receipt> => {
    const { project, source, actor } = delivered
    const fresh = await freshIn(delivered)
    if (fresh.length === 0) return { outcome: 'duplicate', events: 0, facts: 0, unplaced: [] }
    const records = fresh.map(({ arrival }) => parseRecords(arrival.told))

    const received = await shelf.put(delivered.body)
    await views.reach()
    const now = clock.now()
    const making: Making = {
      ...{ project, source, actor, received, now },
      ...{ service: delivered.service, environment: delivered.environment, mappings: delivered.mappings },
      carried: (of) => carriedBy(project, of),
      held: (repository, base, head) => commits.between(project, repository, base, head, true),
    }
    const outcomes: Awaited<ReturnType<typeof makeFacts>>[] = []
    for (const own of records) outcomes.push(await makeFacts(own, making))
    const news = await newsIn(outcomes.flatMap(({ facts }) => facts))
    const made = fresh.flatMap(({ arrival, place }, index): NewFact[] => {
      const { facts = [], unplaced = [] } = outcomes[index] ?? {}
      const own = { facts: facts.filter((one) => news.has(one)), unplaced }
      return [...own.facts, receivedFact(delivered, arrival, place, received, own, now)]
    })
    await ledger.append(made)
    if (made.some(({ type }) => type === commitsPushed.type)) await tellWaiting(project, actor)
    return {
      outcome: 'recorded',
      events: fresh.length,
      facts: made.length - fresh.length,
      unplaced: outcomes.flatMap(({ unplaced }) => unplaced).slice(0, 20),
    }
  }

  /** What of a delivery was not received before, each once, with its place in it. */
  const freshIn = async (delivered: Delivered): Promise<{ arrival: Arrival; place: number }[]> => {
    const subjects = delivered.arrivals.map((arrival) => subjectOf(delivered, arrival))
    const seen = new Set<string>()
    for await (const { subject } of factsAbout(subjects, [eventReceived.type])) seen.add(subject)
    return delivered.arrivals.flatMap((arrival, place) => {
      const subject = subjects[place] ?? ''
      if (seen.has(subject)) return []
      seen.add(subject)
      return [{ arrival, place }]
    })
  }

  const makeFacts = async (records: readonly OutsideRecord[], making: Making) => {
    const facts: NewFact[] = []
    const unplaced: string[] = []
    for (const record of records) {
      const outcome = await factsOf(record, making)
      if ('unplaced' in outcome) unplaced.push(outcome.unplaced.slice(0, 500))
      else facts.push(...outcome.facts)
    }
    return { facts, unplaced }
  }

  /** What of these the ledger does not have: the same under the same key is no news. */
  const newsIn = async (made: readonly NewFact[]): Promise<ReadonlySet<NewFact>> => {
    const told = new Set<string>()
    const [subjects, types] = [made.map(({ subject }) => subject), made.map(({ type }) => type)]
    for await (const known of factsAbout(subjects, types)) told.add(markOf(known))
    const news = new Set<NewFact>()
    for (const one of made) {
      const mark = markOf(one)
      if (!told.has(mark)) news.add(one)
      told.add(mark)
    }
    return news
  }

  /** A question for each of the many would take most of the time of an import. */
  async function* factsAbout(subjects: readonly string[], types: readonly string[]): AsyncGenerator<RecordedFact> {
    const all = [...new Set(subjects)]
    for (let from = 0; from < all.length; from += askedAtOnce) {
      const query = { subject: all.slice(from, from + askedAtOnce), types: [...new Set(types)], limit: readAtOnce }
      let facts = await ledger.read(query)
      yield* facts
      while (facts.length === readAtOnce) {
        facts = await ledger.read({ ...query, after: facts.at(-1)?.seq ?? 0 })
        yield* facts
      }
    }
  }

  const carriedBy = async (
    project: ProjectName,
    of: Parameters<Making['carried']>[0],
  ): Promise<CarriedCommit[] | null> => {
    const since = await commits.before(project, of.service, of.environment, of.at)
    if (since === null || since === of.revision) return null
    return of.repository === undefined
      ? commits.anywhere(project, since, of.revision)
      : commits.between(project, of.repository, since, of.revision)
  }

  /** Commits may be told after the deployment that brought them. */
  const tellWaiting = async (project: ProjectName, actor: string): Promise<void> => {
    await views.reach()
    for (const { key, service, environment, revision, finishedAt } of await commits.waiting(project, clock.now())) {
      const since = await commits.before(project, service, environment, finishedAt)
      if (since === null || since === revision) continue
      const found = await commits.anywhere(project, since, revision)
      if (found && found.length > 0) await ledger.append(chunks(found).map((part) => carried(key, part, actor)))
    }
  }

  return {
    receive: (delivered: Delivered): Promise<Receipt> => {
      const result = last.then(
        () => receive(delivered),
        () => receive(delivered),
      )
      last = result.catch(() => undefined)
      return result
    },
  }
}
export type Receiver = ReturnType<typeof createReceiver>

/** Whatever its name holds, it is one word in a subject. */
export const identityOf = (...parts: readonly (string | Uint8Array)[]): string => {
  const hash = createHash('sha256')
  for (const part of parts) hash.update(part).update('\0')
  return hash.digest('hex').slice(0, 40)
}

const subjectOf = ({ project, source }: Delivered, { identity }: Arrival): string =>
  `event:${project}/${source}/${identity}`

const parseRecords = ({ records }: Told): OutsideRecord[] => {
  const parsed = z.array(OutsideRecord).safeParse(records)
  if (parsed.success) return parsed.data
  const flaws = flawsIn(parsed.error.issues)
  throw new Problem({
    kind: 'invalid-event',
    status: 400,
    detail: flaws
      .slice(0, 5)
      .map(({ path, said }) => `${path}: ${said}`)
      .join('; '),
    where: { path: flaws[0]?.path || 'records' },
    next: 'docs/events.md says what a record holds',
  })
}

const At = z.object({ at: z.number(), state: z.string().optional() })
const Carried = z.object({ commits: z.array(z.object({ commit: z.string() })) })
/** What tells facts of one kind about one thing apart: a change and an incident go through states, all else is told once. */
const markOf = ({ type, subject, payload }: Pick<NewFact, 'type' | 'subject' | 'payload'>): string => {
  if (type === 'incident.opened') return `${type} ${subject}`
  if (type === 'delivery.carried')
    return `${type} ${subject} ${Carried.safeParse(payload).data?.commits[0]?.commit ?? ''}`
  const { at = '', state = '' } = At.safeParse(payload).data ?? {}
  return type === 'delivery.change' ? `${type} ${subject} ${state} ${at}` : `${type} ${subject} ${at}`
}

const receivedFact = (
  { project, source, kind, actor, ...delivered }: Delivered,
  arrival: Arrival,
  place: number,
  received: Digest,
  { facts, unplaced }: { readonly facts: readonly NewFact[]; readonly unplaced: readonly string[] },
  now: number,
): NewFact => {
  const { id, told } = arrival
  const cut = (text: string): string => text.slice(0, 1_000)
  return fact(eventReceived, {
    subject: subjectOf({ project, source, kind, actor, ...delivered }, arrival),
    actor,
    payload: {
      ...{ project, source, kind, id: id === null ? null : cut(id), type: cut(told.type) },
      ...{ about: told.about === null ? null : cut(told.about), occurredAt: told.at, aheadMs: aheadOf(told.at, now) },
      ...{ received, place, facts: facts.length, unplaced: unplaced.slice(0, 20) },
    },
  })
}

import { deploymentFinished, deploymentRequested } from '../../deploy/facts.ts'
import { isFact, type RecordedFact } from '../../ledger/fact.ts'
import { type CarriedCommit, deliveryCarried, deliveryDeployed } from '../facts.ts'
import { mergedAs } from '../flow/bringing.ts'
import { incidentsBetween, windowOf } from './attribution.ts'
import { deploymentById, keepRow } from './book.ts'
import { keepSpine, newestOf, type Tx } from './lane.ts'
import { type Absence, type Memory, memoryOf } from './memory.ts'
import { shorten } from './spine.ts'
import { byRepository, findLane, squashesOf } from './telling.ts'

/** What a fact tells of a deployment, as far as it says what will be asked for. */
type Mention = {
  readonly key: string
  readonly lane: { readonly project: string; readonly service: string; readonly environment: string } | null
  readonly revision: string | null
  readonly liveAt: number | null
  readonly commits: readonly CarriedCommit[]
}

/**
 * Reads at once what the facts of a batch will ask for one by one, most of all what is not there: a new deployment of new commits then
 * costs no further question. What this leaves out is asked for when it is needed.
 */
export const prepareBatch = async (tx: Tx, facts: readonly RecordedFact[]): Promise<void> => {
  const memory = memoryOf(tx)
  forgetOld(memory)
  const mentions = facts.flatMap((fact) => mentionOf(fact) ?? [])
  if (mentions.length === 0) return
  const keys = [...new Set(mentions.map(({ key }) => key))]
  await Promise.all([knowKeys(tx, keys), knowEarly(tx, keys), knowNamed(tx, keys), knowLanes(tx, mentions)])
  await knowCarried(tx, mentions)
}

/** So that a long rebuild needs no more memory than a short one. */
const most = { deployments: 5_000, ofLane: 64 }

const forgetOld = (memory: Memory): void => {
  for (const absence of Object.values(memory.absent)) absence.forget()
  memory.incidents.clear()
  for (const spine of memory.spines.values()) shorten(spine, most.ofLane)
  memory.keys.clear()
  let over = memory.deployments.size - most.deployments
  for (const [id, { state }] of memory.deployments) {
    if (over <= 0) break
    if (state === 'same') memory.deployments.delete(id)
    over -= 1
  }
  for (const [id, { row }] of memory.deployments) memory.keys.set(row.key, id)
}

const mentionOf = (fact: RecordedFact): Mention | null => {
  if (isFact(deliveryDeployed, fact)) {
    const { key, revision, outcome, finishedAt, commits } = fact.payload
    const liveAt = outcome === 'succeeded' ? finishedAt : null
    return { key, lane: fact.payload, revision, liveAt, commits: liveAt === null ? [] : commits }
  }
  if (isFact(deliveryCarried, fact)) {
    const { deployment, commits } = fact.payload
    return { key: deployment, lane: null, revision: null, liveAt: null, commits }
  }
  if (isFact(deploymentRequested, fact)) {
    const { deployment, release } = fact.payload
    return { key: deployment, lane: fact.payload, revision: release, liveAt: null, commits: [] }
  }
  if (!isFact(deploymentFinished, fact)) return null
  return { key: fact.payload.deployment, lane: null, revision: null, liveAt: null, commits: [] }
}

const inParts = <Value>(values: readonly Value[], size = 500): Value[][] =>
  Array.from({ length: Math.ceil(values.length / size) }, (_, part) => values.slice(part * size, (part + 1) * size))

const each = async <Value>(values: readonly Value[], ask: (some: Value[]) => Promise<void>): Promise<void> => {
  await Promise.all(inParts(values).map(ask))
}

const knowKeys = async (tx: Tx, keys: readonly string[]): Promise<void> => {
  const memory = memoryOf(tx)
  const unknown = keys.filter((key) => !memory.keys.has(key))
  for (const key of unknown) memory.keys.set(key, null)
  await each(unknown, async (some) => {
    for (const row of await tx.selectFrom('learn_deployments').selectAll().where('key', 'in', some).execute())
      keepRow(tx, row)
  })
}

const knowEarly = (tx: Tx, keys: readonly string[]): Promise<void> => {
  const { early } = memoryOf(tx).absent
  return each(keys, async (some) => {
    for (const { key } of await tx.selectFrom('learn_early').select('key').where('key', 'in', some).execute())
      early.found(key)
    early.asked(some)
  })
}

const knowNamed = (tx: Tx, keys: readonly string[]): Promise<void> => {
  const { named } = memoryOf(tx).absent
  return each(keys, async (some) => {
    const incidents = tx.selectFrom('learn_incidents').select(['caused_by', 'attributed'])
    const [caused, attributed] = await Promise.all([
      incidents.where('caused_by', 'in', some).execute(),
      incidents.where('attributed', 'in', some).execute(),
    ])
    for (const row of [...caused, ...attributed])
      for (const key of [row.caused_by, row.attributed]) if (key !== null) named.found(key)
    named.asked(some)
  })
}

const knowLanes = async (tx: Tx, mentions: readonly Mention[]): Promise<void> => {
  const lanes = new Map(mentions.flatMap(({ lane }) => (lane ? [[nameOf(lane), lane] as const] : [])))
  await Promise.all([...lanes.values()].flatMap((lane) => [findLane(tx, lane), windowOf(tx, lane.project)]))
}
const nameOf = ({ project, service, environment }: NonNullable<Mention['lane']>): string =>
  `${project}/${service} ${environment}`

/** By lane, once the lanes are known: what its newest are, and which commits, revisions, changes and incidents it has. */
const knowCarried = async (tx: Tx, mentions: readonly Mention[]): Promise<void> => {
  const byLane = new Map<number, Mention[]>()
  for (const one of mentions) {
    const lane = await laneOfMention(tx, one)
    if (lane === null) continue
    const own = byLane.get(lane) ?? []
    own.push(one)
    byLane.set(lane, own)
  }
  const { absent } = memoryOf(tx)
  const carried = mentions.flatMap(({ commits }) => commits)
  await Promise.all([
    ...[...byRepository(carried)].map(([repository, commits]) =>
      know(absent.squashes, repository, commits, async (some) =>
        (await squashesOf(tx, repository, some)).map(({ merged_as }) => merged_as),
      ),
    ),
    ...[...byLane].map(([lane, own]) => knowOfLane(tx, lane, own)),
  ])
}

const laneOfMention = async (tx: Tx, { key, lane }: Mention): Promise<number | null> => {
  if (lane) return findLane(tx, lane)
  const id = memoryOf(tx).keys.get(key)
  return typeof id === 'number' ? ((await deploymentById(tx, id))?.lane ?? null) : null
}

const knowOfLane = async (tx: Tx, lane: number, mentions: readonly Mention[]): Promise<void> => {
  const { absent, spines, lanes } = memoryOf(tx)
  const commits = mentions.flatMap((one) => one.commits.map(({ commit }) => commit))
  const revisions = mentions.flatMap(({ revision }) => revision ?? [])
  const project = lanes.get(lane)?.project
  await Promise.all([
    spines.has(lane) ? null : newestOf(tx, lane).then((rows) => keepSpine(tx, lane, rows)),
    know(absent.commits, lane, commits, (some) => commitsIn(tx, lane, some)),
    know(absent.revisions, lane, revisions, (some) => revisionsIn(tx, lane, some)),
    project === undefined
      ? null
      : know(absent.changes, project, [...commits, ...revisions], async (some) =>
          (await mergedAs(tx, project, some)).flatMap(({ merged_as }) => merged_as ?? []),
        ),
    knowIncidents(tx, lane, mentions),
  ])
}

const know = (
  absence: Absence,
  of: number | string,
  names: readonly string[],
  ask: (some: string[]) => Promise<readonly string[]>,
): Promise<void> =>
  each([...new Set(names)], async (some) => {
    for (const name of await ask(some)) absence.found(`${of} ${name}`)
    absence.asked(some.map((name) => `${of} ${name}`))
  })

const commitsIn = async (tx: Tx, lane: number, some: readonly string[]): Promise<string[]> => {
  const rows = tx.selectFrom('learn_commits').select('commit_id').where('lane', '=', lane)
  return (await rows.where('commit_id', 'in', [...some]).execute()).map(({ commit_id }) => commit_id)
}

const revisionsIn = async (tx: Tx, lane: number, some: readonly string[]): Promise<string[]> => {
  const rows = tx.selectFrom('learn_deployments').select('revision').distinct().where('lane', '=', lane)
  return (await rows.where('revision', 'in', [...some]).execute()).flatMap(({ revision }) => revision ?? [])
}

const knowIncidents = async (tx: Tx, lane: number, mentions: readonly Mention[]): Promise<void> => {
  const moments = mentions.flatMap(({ liveAt }) => liveAt ?? [])
  if (moments.length === 0) return
  const [first, last] = [Math.min(...moments), Math.max(...moments)]
  memoryOf(tx).incidents.set(lane, { first, last, incidents: await incidentsBetween(tx, lane, first, last) })
}

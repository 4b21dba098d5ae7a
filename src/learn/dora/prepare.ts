import { deploymentFinished, deploymentRequested } from '../../deploy/facts.ts'
import { isFact, type RecordedFact } from '../../ledger/fact.ts'
import { inParts } from '../../store/parts.ts'
import { type CarriedCommit, deliveryCarried, deliveryDeployed } from '../facts.ts'
import { mergedAs } from '../flow/bringing.ts'
import { incidentsBetween, windowRow } from './attribution.ts'
import { keepRow } from './book.ts'
import { defaultWindowMs, keepSpine, newestOf, type Tx } from './lane.ts'
import { type Absence, type Memory, memoryOf } from './memory.ts'
import { shorten } from './spine.ts'
import { byRepository, laneNamed, nameOfLane, rememberLane, squashesOf } from './telling.ts'
import { type Ask, together } from './together.ts'

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
  await together(tx, (ask) =>
    Promise.all([
      ...[knowKeys(tx, ask, keys), knowEarly(tx, ask, keys), knowNamed(tx, ask, keys), knowLanes(tx, ask, mentions)],
      ...[knowWindows(tx, ask, mentions), knowSquashes(tx, ask, mentions)],
    ]),
  )
  const byLane = inLanes(tx, mentions)
  await together(tx, (ask) => Promise.all([...byLane].map(([lane, own]) => knowOfLane(tx, ask, lane, own))))
}

/** So that a long rebuild needs no more memory than a short one. */
const most = { deployments: 5_000, ofLane: 64 }

const forgetOld = (memory: Memory): void => {
  for (const absence of Object.values(memory.absent)) absence.forget()
  memory.incidents.clear()
  memory.revisions.clear()
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

const each = async <Value>(values: readonly Value[], ask: (some: Value[]) => Promise<void>): Promise<void> => {
  await Promise.all(inParts(values, 500).map(ask))
}

const knowKeys = (tx: Tx, ask: Ask, keys: readonly string[]): Promise<void> => {
  const memory = memoryOf(tx)
  const unknown = keys.filter((key) => !memory.keys.has(key))
  for (const key of unknown) memory.keys.set(key, null)
  return each(unknown, async (some) => {
    const rows = await ask(tx.selectFrom('learn_deployments').selectAll().where('key', 'in', some))
    for (const row of rows) keepRow(tx, row)
  })
}

const knowEarly = (tx: Tx, ask: Ask, keys: readonly string[]): Promise<void> => {
  const { early } = memoryOf(tx).absent
  return each(keys, async (some) => {
    const rows = await ask(tx.selectFrom('learn_early').select('key').where('key', 'in', some))
    for (const { key } of rows) early.found(key)
    early.asked(some)
  })
}

const knowNamed = (tx: Tx, ask: Ask, keys: readonly string[]): Promise<void> => {
  const { named } = memoryOf(tx).absent
  return each(keys, async (some) => {
    const incidents = tx.selectFrom('learn_incidents').select(['caused_by', 'attributed'])
    const [caused, attributed] = await Promise.all([
      ask(incidents.where('caused_by', 'in', some)),
      ask(incidents.where('attributed', 'in', some)),
    ])
    for (const row of [...caused, ...attributed])
      for (const key of [row.caused_by, row.attributed]) if (key !== null) named.found(key)
    named.asked(some)
  })
}

const lanesIn = (mentions: readonly Mention[]) => {
  const lanes = mentions.flatMap(({ lane }) => lane ?? [])
  return [...new Map(lanes.map((lane) => [nameOfLane(lane), lane])).values()]
}

const knowLanes = async (tx: Tx, ask: Ask, mentions: readonly Mention[]): Promise<void> => {
  const { lanes } = memoryOf(tx)
  const unknown = lanesIn(mentions).filter((lane) => !lanes.has(nameOfLane(lane)))
  const found = await Promise.all(unknown.map((lane) => ask(laneNamed(tx, lane))))
  for (const row of found.flat()) rememberLane(tx, row)
}

const knowWindows = async (tx: Tx, ask: Ask, mentions: readonly Mention[]): Promise<void> => {
  const { windows } = memoryOf(tx)
  const projects = new Set(lanesIn(mentions).map(({ project }) => project))
  await Promise.all(
    [...projects].map(async (project) => {
      if (windows.has(project)) return
      const [row] = await ask(windowRow(tx, project))
      windows.set(project, row?.window_ms ?? defaultWindowMs)
    }),
  )
}

const knowSquashes = async (tx: Tx, ask: Ask, mentions: readonly Mention[]): Promise<void> => {
  const { squashes } = memoryOf(tx).absent
  const carried = mentions.flatMap(({ commits }) => commits)
  await Promise.all(
    [...byRepository(carried)].map(([repository, commits]) =>
      know(squashes, repository, commits, async (some) =>
        (await ask(squashesOf(tx, repository, some))).map(({ merged_as }) => merged_as),
      ),
    ),
  )
}

/** By their lane, where that is known. */
const inLanes = (tx: Tx, mentions: readonly Mention[]): Map<number, Mention[]> => {
  const { lanes, keys, deployments } = memoryOf(tx)
  const found = new Map<number, Mention[]>()
  for (const one of mentions) {
    const known = deployments.get(keys.get(one.key) ?? 0)?.row.lane
    const lane = known ?? (one.lane ? lanes.get(nameOfLane(one.lane))?.lane : undefined)
    if (lane === undefined) continue
    const own = found.get(lane) ?? []
    own.push(one)
    found.set(lane, own)
  }
  return found
}

const knowOfLane = async (tx: Tx, ask: Ask, lane: number, mentions: readonly Mention[]): Promise<void> => {
  const { absent, spines, lanes } = memoryOf(tx)
  const commits = mentions.flatMap((one) => one.commits.map(({ commit }) => commit))
  const revisions = mentions.flatMap(({ revision }) => revision ?? [])
  const project = lanes.get(lane)?.project
  await Promise.all([
    spines.has(lane) ? null : ask(newestOf(tx, lane)).then((rows) => keepSpine(tx, lane, rows)),
    know(absent.commits, lane, commits, async (some) =>
      (await ask(commitsIn(tx, lane, some))).map(({ commit_id }) => commit_id),
    ),
    know(absent.revisions, lane, revisions, async (some) =>
      (await ask(revisionsIn(tx, lane, some))).flatMap(({ revision }) => revision ?? []),
    ),
    project === undefined
      ? null
      : know(absent.changes, project, [...commits, ...revisions], async (some) =>
          (await ask(mergedAs(tx, project, some))).flatMap(({ merged_as }) => merged_as ?? []),
        ),
    project === undefined ? null : knowIncidents(tx, ask, lane, project, mentions),
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

const commitsIn = (tx: Tx, lane: number, some: readonly string[]) =>
  tx
    .selectFrom('learn_commits')
    .select('commit_id')
    .where('lane', '=', lane)
    .where('commit_id', 'in', [...some])

const revisionsIn = (tx: Tx, lane: number, some: readonly string[]) =>
  tx
    .selectFrom('learn_deployments')
    .select('revision')
    .distinct()
    .where('lane', '=', lane)
    .where('revision', 'in', [...some])

const knowIncidents = async (
  tx: Tx,
  ask: Ask,
  lane: number,
  project: string,
  mentions: readonly Mention[],
): Promise<void> => {
  const moments = mentions.flatMap(({ liveAt }) => liveAt ?? [])
  const windowMs = memoryOf(tx).windows.get(project)
  if (moments.length === 0 || windowMs === undefined) return
  const [first, last] = [Math.min(...moments), Math.max(...moments)]
  const incidents = await ask(incidentsBetween(tx, lane, windowMs, first, last))
  memoryOf(tx).incidents.set(lane, { first, last, incidents })
}

import { setImmediate } from 'node:timers/promises'
import type { OutsideRecordInput } from '../records.ts'

/** What one request may hold, with room for what stands around it. */
const parcelBytes = 700_000
const commitsAtOnce = 4_000
/** After so many records whoever waits for the network has a turn. */
const recordsInATurn = 100

type Deployment = Extract<OutsideRecordInput, { type: 'deployment' }>
type Commit = NonNullable<Deployment['commits']>[number]

/** Records in parcels that one request can hold each; a deployment with very many commits is told in several. */
export async function* parcelsOf(
  records: AsyncIterable<OutsideRecordInput> | Iterable<OutsideRecordInput>,
): AsyncGenerator<OutsideRecordInput[]> {
  let parcel: OutsideRecordInput[] = []
  let size = 0
  for await (const record of records)
    for (const part of partsOf(record)) {
      const bytes = Buffer.byteLength(JSON.stringify(part)) + 1
      if (size + bytes > parcelBytes && parcel.length > 0) {
        yield parcel
        parcel = []
        size = 0
      }
      parcel.push(part)
      size += bytes
      if (parcel.length % recordsInATurn === 0) await setImmediate()
    }
  if (parcel.length > 0) yield parcel
}

/** While one is worked on, the next is made, and no more than that. */
export async function* oneAhead<Item>(items: AsyncGenerator<Item>): AsyncGenerator<Item> {
  let next = items.next()
  try {
    for (let item = await next; !item.done; item = await next) {
      next = items.next()
      next.catch(() => {}) // told when it is its turn
      yield item.value
    }
  } finally {
    await items.return(undefined)
  }
}

/** A deployment that brought these, of which no more are held than one record can: the others follow it. */
export function* inParts(deployment: Deployment, commits: Iterable<Commit>): Generator<OutsideRecordInput> {
  const { id, repository } = deployment
  let part: Commit[] = []
  let told = 0
  const tell = (isAll: boolean): OutsideRecordInput => {
    const own = isAll ? part : part.map((one) => ({ ...(repository ? { repository } : {}), ...one }))
    if (told > 0) return { type: 'carried', deployment: id, commits: own }
    return own.length > 0 ? { ...deployment, commits: own } : deployment
  }
  for (const commit of commits) {
    if (part.length === commitsAtOnce) {
      yield tell(false)
      told += part.length
      part = []
    }
    part.push(commit)
  }
  yield tell(told === 0)
}

const partsOf = (record: OutsideRecordInput): Iterable<OutsideRecordInput> =>
  record.type === 'deployment' && record.commits ? inParts(record, record.commits) : [record]

import type { OutsideRecordInput } from '../records.ts'

/** What one request may hold, with room for what stands around it. */
const parcelBytes = 700_000
const commitsAtOnce = 4_000

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
    }
  if (parcel.length > 0) yield parcel
}

const partsOf = (record: OutsideRecordInput): OutsideRecordInput[] => {
  if (record.type !== 'deployment' || !record.commits || record.commits.length <= commitsAtOnce) return [record]
  const { id, repository } = record
  const commits = record.commits.map((one) => ({ ...(repository ? { repository } : {}), ...one }))
  const more = Array.from({ length: Math.ceil(commits.length / commitsAtOnce) - 1 }, (_, part) => ({
    ...{ type: 'carried' as const, deployment: id },
    commits: commits.slice((part + 1) * commitsAtOnce, (part + 2) * commitsAtOnce),
  }))
  return [{ ...record, commits: commits.slice(0, commitsAtOnce) }, ...more]
}

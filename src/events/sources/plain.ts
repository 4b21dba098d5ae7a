import { z } from 'zod'
import { nearest } from '../../golden/nearest.ts'
import { Problem } from '../../problem.ts'
import { CommitRecord, OutsideRecord, type Told } from '../records.ts'
import type { Reading } from './reading.ts'

const most = 10_000
const Record = z.record(z.string(), z.unknown())

/** Our own words, for `curl` and for imports: a record, or several as an array or under `records`. A field that no record has is refused. */
export const readPlain: Reading = ({ content }): Told => {
  const several = z.object({ records: z.array(z.unknown()) }).safeParse(content)
  const list = Array.isArray(content) ? content : several.success ? several.data.records : [content]
  const isAlone = list[0] === content
  for (const [place, record] of list.slice(0, most).entries()) refuseUnknown(record, isAlone ? '' : `${place}.`)
  // Of a record that is alone a path begins with its field.
  const records = isAlone ? [OutsideRecord.parse(content)] : z.array(OutsideRecord).max(most).parse(list)
  const [only] = records
  return { type: records.length === 1 && only ? only.type : 'records', about: null, at: null, records }
}

const fieldsOf = ({ shape }: z.ZodObject): readonly string[] => Object.keys(shape)
const known = new Map<unknown, readonly string[]>(
  OutsideRecord.options.map((schema) => [schema.shape.type.value, fieldsOf(schema)]),
)
const knownOfCommits = fieldsOf(CommitRecord)

/** A misspelt field would be as if it had not been said, and a figure wrong without a word. */
const refuseUnknown = (said: unknown, path: string): void => {
  const { type } = Record.safeParse(said).data ?? {}
  const fields = known.get(type)
  if (!fields) return
  const commits = refuseOthers(said, fields, path, String(type))?.commits
  if (!Array.isArray(commits)) return
  for (const [place, commit] of commits.entries())
    refuseOthers(commit, knownOfCommits, `${path}commits.${place}.`, 'commit')
}

/** What is no object is refused by the schema. */
const refuseOthers = (said: unknown, fields: readonly string[], path: string, what: string) => {
  const record = Record.safeParse(said).data
  const other = Object.keys(record ?? {}).find((name) => !fields.includes(name))
  if (other === undefined) return record
  const meant = nearest(other, fields)
  throw new Problem({
    kind: 'unknown-field',
    status: 400,
    detail: `${what === 'incident' ? 'an' : 'a'} ${what} has no field "${other}"`,
    where: { path: `${path}${other}` },
    next: meant ? `did you mean ${meant}?` : `leave it out; there are ${fields.join(', ')}`,
  })
}

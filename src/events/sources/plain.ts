import { z } from 'zod'
import { OutsideRecord, type Told } from '../records.ts'
import type { Reading } from './reading.ts'

const most = 10_000

/** Our own words, for `curl` and for imports: a record, or several as an array or under `records`. */
export const readPlain: Reading = ({ content }): Told => {
  const several = z.object({ records: z.array(z.unknown()) }).safeParse(content)
  const list = Array.isArray(content) ? content : several.success ? several.data.records : [content]
  const records = z.array(OutsideRecord).max(most).parse(list)
  const [only] = records
  return { type: records.length === 1 && only ? only.type : 'records', about: null, at: null, records }
}

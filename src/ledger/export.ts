import { z } from 'zod'
import { Problem } from '../problem.ts'
import type { Store } from '../store/store.ts'
import type { InspectedLink } from './inspect.ts'
import { pagesOf } from './pages.ts'

/** One fact in an export. Envelope and payload are the exact text that the chain covers. */
const Line = z.object({
  seq: z.number().int(),
  hash: z.string(),
  envelope: z.string(),
  salt: z.string().nullable(),
  payload: z.string().nullable(),
})

/** The whole ledger as newline-delimited JSON, one object a fact, in chunks of whole lines; `verifyExport` checks it anywhere. */
export async function* exportLedger(store: Store): AsyncGenerator<string> {
  for await (const page of pagesOf(store)) {
    let chunk = ''
    for (const { seq, hash, envelope, salt, payload } of page) {
      const line: z.infer<typeof Line> = {
        seq,
        hash: Buffer.from(hash).toString('hex'),
        envelope: Buffer.from(envelope).toString(),
        salt: salt && Buffer.from(salt).toString('hex'),
        payload: payload && Buffer.from(payload).toString(),
      }
      chunk += `${JSON.stringify(line)}\n`
    }
    yield chunk
  }
}

/** The links in chunks of an export, however they were cut. */
export async function* exportedPages(
  chunks: AsyncIterable<string> | Iterable<string>,
): AsyncGenerator<InspectedLink[]> {
  let rest = ''
  let lineNumber = 0
  const linkIn = (line: string): InspectedLink => {
    lineNumber += 1
    return parseLine(line, lineNumber)
  }
  for await (const chunk of chunks) {
    const lines = (rest + chunk).split('\n')
    rest = lines.pop() ?? ''
    yield lines.filter((line) => line !== '').map(linkIn)
  }
  if (rest !== '') yield [linkIn(rest)]
}

const parseLine = (text: string, line: number): InspectedLink => {
  const parsed = Line.safeParse(jsonOrNull(text))
  if (!parsed.success)
    throw new Problem({
      kind: 'not-an-export',
      status: 422,
      where: { line },
      detail: 'this line is not a fact as `headway ledger export` writes it',
      next: 'give it the whole file as it was exported',
    })
  const { seq, hash, envelope, salt, payload } = parsed.data
  return {
    seq,
    hash: Buffer.from(hash, 'hex'),
    envelope: Buffer.from(envelope),
    salt: salt === null ? null : Buffer.from(salt, 'hex'),
    payload: payload === null ? null : Buffer.from(payload),
  }
}

const jsonOrNull = (text: string): unknown => {
  try {
    return JSON.parse(text)
  } catch {
    return null
  }
}

import { StringDecoder } from 'node:string_decoder'

export type Cutter = {
  push(chunk: Uint8Array): void
  /** What came last without a NUL is a field, too, where it makes its row whole. */
  end(): void
}

/** A message of a commit is longer only to do harm; what is behind that is not read. */
const longestField = 1024 * 1024

/** Cuts bytes as they come into fields that end with a NUL, and tells so many of them at a time; no more than one row is held. */
export const fieldCutter = (width: number, onRow: (fields: readonly string[]) => void): Cutter => {
  const decoder = new StringDecoder('utf8')
  let row: string[] = []
  let open = ''
  const add = (text: string): void => {
    if (open.length < longestField) open += text.slice(0, longestField - open.length)
  }
  const finish = (): void => {
    row.push(open)
    open = ''
    if (row.length < width) return
    onRow(row)
    row = []
  }
  const take = (text: string): void => {
    let from = 0
    for (let at = text.indexOf('\0'); at >= 0; at = text.indexOf('\0', from)) {
      add(text.slice(from, at))
      finish()
      from = at + 1
    }
    if (from < text.length) add(text.slice(from))
  }
  return {
    push: (chunk) => take(decoder.write(Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength))),
    end: () => {
      take(decoder.end())
      if (row.length === width - 1) finish()
    },
  }
}

import { StringDecoder } from 'node:string_decoder'

export type Cutter = {
  push(chunk: Uint8Array): void
  end(): void
}

/**
 * Cuts bytes as they come into texts that each end with a mark: a text is added in as many parts as it came in, then finished. What came
 * last without a mark is only added. What is no UTF-8 becomes U+FFFD.
 */
export const cutter = (mark: string, add: (text: string) => void, finish: () => void): Cutter => {
  const decoder = new StringDecoder('utf8')
  const take = (text: string): void => {
    let from = 0
    for (let at = text.indexOf(mark); at >= 0; at = text.indexOf(mark, from)) {
      add(text.slice(from, at))
      finish()
      from = at + mark.length
    }
    if (from < text.length) add(text.slice(from))
  }
  return {
    push: (chunk) => take(decoder.write(Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength))),
    end: () => take(decoder.end()),
  }
}

import { Tokenizer, TokenParser, TokenType } from '@streamparser/json'
import { describeError, Problem } from '../../problem.ts'
import type { CsvFile } from './csv.ts'

/** An object that is longer is taken for a page whose lists are told as they come, and is not held whole. */
export const longestWholeBytes = 4 * 1024 * 1024
/** Longer than anything that an API answers about one thing. */
export const longestItemBytes = 16 * 1024 * 1024

/** No API answers what is nested so deep; bracket upon bracket takes a hundred times its own bytes of memory. */
const deepest = 500

/**
 * What a file of JSON holds, in parcels as its bytes come: each document, one after the other with anything or nothing between them, or where that is an
 * array, each of its elements, and theirs if they are arrays too. Of an object longer than 4 MiB the elements of its lists come first, and then the object without them.
 * No more is held than what came last and one item. Throws a Problem with line and column where it is no JSON, or ends within something.
 */
export async function* readJson(file: CsvFile): AsyncGenerator<readonly unknown[]> {
  const reader = createReader(file.name)
  for await (const chunk of utf8Of(file.content)) yield reader.push(chunk)
  yield reader.end()
}

const createReader = (file: string) => {
  let items: unknown[] = []
  let [written, line, lineBegan] = [0, 1, 0]
  let [at, lastEnd, depth] = [0, 0, 0]
  let opened: unknown = null
  const tell = (item: unknown): void => {
    items.push(item)
    lastEnd = at
  }

  const tokenizer = new Tokenizer({ separator: '' })
  // Deeper is no list of a page in a list of pages.
  const parser = new TokenParser({ separator: '', paths: ['$', '$.*', '$.*.*', '$.*.*.*'] })
  tokenizer.onToken = (token) => {
    at = token.offset
    if (token.token === TokenType.LEFT_BRACE || token.token === TokenType.LEFT_BRACKET) depth += 1
    if (depth > deepest) throw new Error(`brackets within brackets, ${deepest} deep`)
    if (token.token === TokenType.RIGHT_BRACE || token.token === TokenType.RIGHT_BRACKET) depth -= 1
    parser.write(token)
  }
  parser.onValue = ({ value, parent, stack }) => {
    if (stack.length > 0 && !Array.isArray(parent)) return
    const page = stack.slice(1).find((one) => !Array.isArray(one.value))?.value
    if (page === undefined) {
      if (!Array.isArray(value)) tell(value)
    } else {
      if (stack.at(-1)?.value !== page) return
      if (at - lastEnd > longestWholeBytes) opened = page
      if (opened !== page) return
      for (const one of Array.isArray(parent) ? parent : []) tell(one)
    }
    // The parser only ever adds to it.
    if (Array.isArray(parent)) parent.length = 0
  }

  const told = (): readonly unknown[] => {
    const own = items
    items = []
    return own
  }
  const placeAt = (chunk: Uint8Array, offset: number) => {
    const before = Buffer.from(chunk.subarray(0, Math.max(0, offset - written)))
    const lastBreak = before.lastIndexOf(10)
    const lines = lineBreaksIn(before)
    const began = lastBreak < 0 ? lineBegan : written + lastBreak + 1
    return { file, line: line + lines, column: offset - began + 1 }
  }

  return {
    push: (chunk: Uint8Array): readonly unknown[] => {
      try {
        tokenizer.write(chunk)
      } catch (error) {
        const offset = Number(/absolute position "(\d+)"/.exec(String(error))?.[1] ?? at)
        throw malformed(placeAt(chunk, offset), error)
      }
      if (written + chunk.length - lastEnd > longestItemBytes) throw tooLong(placeAt(chunk, written + chunk.length))
      line += lineBreaksIn(chunk)
      const lastBreak = Buffer.from(chunk.buffer, chunk.byteOffset, chunk.length).lastIndexOf(10)
      if (lastBreak >= 0) lineBegan = written + lastBreak + 1
      written += chunk.length
      return told()
    },
    end: (): readonly unknown[] => {
      const place = { file, line, column: written - lineBegan + 1 }
      try {
        tokenizer.end()
      } catch (error) {
        throw cutOff(place, error)
      }
      if (depth > 0) throw cutOff(place)
      return told()
    },
  }
}

const lineBreaksIn = (bytes: Uint8Array): number => {
  let count = 0
  for (let at = bytes.indexOf(10); at >= 0; at = bytes.indexOf(10, at + 1)) count += 1
  return count
}

/** PowerShell writes what a program says as UTF-16 with its mark. */
async function* utf8Of(content: CsvFile['content']): AsyncGenerator<Uint8Array> {
  let decoder: InstanceType<typeof TextDecoder> | null | undefined
  for await (const chunk of content) {
    if (decoder === undefined) decoder = chunk[0] === 0xff && chunk[1] === 0xfe ? new TextDecoder('utf-16le') : null
    yield decoder ? Buffer.from(decoder.decode(chunk, { stream: true })) : chunk
  }
}

type Where = { readonly file: string; readonly line: number; readonly column: number }

const malformed = (where: Where, cause: unknown): Problem => {
  const [, found] = /Unexpected "(.*?)" at chunk position/s.exec(String(cause)) ?? []
  const [, token] = /Unexpected \w+ \((.*)\) in state/s.exec(String(cause)) ?? []
  const what = found === undefined ? token : JSON.stringify(found)
  const why = what === undefined ? `: ${describeError(cause)}` : `: ${what.slice(0, 60)} cannot stand here`
  return new Problem(
    {
      ...{ kind: 'invalid-json', status: 422, where, next: 'write it with gh api --paginate, or with curl --fail' },
      detail: `this is no JSON that can be read${why}; nothing was imported`,
    },
    { cause },
  )
}

const cutOff = (where: Where, cause?: unknown): Problem =>
  new Problem(
    {
      ...{ kind: 'invalid-json', status: 422, where, next: 'it was cut off: fetch it again' },
      detail: 'the file ends within a value; nothing was imported',
    },
    { cause },
  )

const tooLong = (where: Where): Problem =>
  new Problem({
    kind: 'invalid-json',
    status: 422,
    detail: `what ends here, or after this, is longer than ${longestItemBytes / 1024 / 1024} MiB; nothing was imported`,
    where,
    next: 'look for a string that is never closed, and leave out what is no answer of the API',
  })

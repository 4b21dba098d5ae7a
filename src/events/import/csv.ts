import { CsvError, parse } from 'csv-parse'
import { Problem } from '../../problem.ts'

/** A file of a table, whose bytes are read as they are needed. */
export type CsvFile = { readonly name: string; readonly content: AsyncIterable<Uint8Array> | Iterable<Uint8Array> }

/** A row of a table with the line on which it begins; its cells stand by the names in the first row. */
export type Row = {
  readonly file: string
  readonly line: number
  readonly columns: ReadonlyMap<string, number>
  readonly cells: readonly string[]
}

/** Longer than any row of a table that people write, descriptions of a million characters included. */
export const longestRowBytes = 4 * 1024 * 1024

/**
 * The rows of a CSV file (RFC 4180), in parcels as its bytes come: no more is held than what came last and a row that has not ended. Rows
 * without a value are passed over. Throws a Problem with the line where quotes, lengths or the number of fields are wrong.
 */
export async function* readCsv(file: CsvFile): AsyncGenerator<readonly Row[]> {
  const reader = createReader(file.name)
  for await (const chunk of file.content) yield await reader.push(chunk)
  yield await reader.end()
}

/** What a row says in a column; '' where the table has no such column. */
export const cell = ({ columns, cells }: Row, column: string): string => {
  const place = columns.get(column)
  return place === undefined ? '' : (cells[place]?.trim() ?? '')
}

const createReader = (file: string) => {
  let head: Head | null = null
  let rows: Row[] = []
  let bytes = 0
  let next = { line: 1, byte: 0 }

  const take = (cells: readonly string[], line: number): void => {
    if (cells.every((value) => value.trim() === '')) return
    if (head === null) head = headOf(cells)
    else rows.push(fitting({ file, line, columns: head.columns, cells }, head.width))
  }
  const parser = parse({
    bom: true,
    record_delimiter: ['\r\n', '\n'],
    relax_column_count: true,
    on_record: (cells: string[], info) => {
      const { line } = next
      // The parser counts a CRLF within quotes twice.
      next = { line: line + 1 + sum(cells.map(lineBreaksIn)), byte: info.bytes }
      take(cells, line)
      return null
    },
  })
  parser.on('error', () => {}) // told by what was being written
  const explained = (error: unknown): unknown => (error instanceof CsvError ? malformed(file, next.line, error) : error)

  const written = (chunk: Uint8Array): Promise<void> =>
    new Promise((resolve, reject) => parser.write(chunk, (error) => (error ? reject(explained(error)) : resolve())))
  const ended = (): Promise<void> =>
    new Promise((resolve, reject) => {
      parser.once('error', (error) => reject(explained(error)))
      parser.once('end', resolve)
      parser.resume()
      parser.end()
    })
  const told = (): readonly Row[] => {
    const own = rows
    rows = []
    return own
  }

  return {
    push: async (chunk: Uint8Array): Promise<readonly Row[]> => {
      await written(chunk)
      bytes += chunk.length
      if (bytes - next.byte > longestRowBytes) throw tooLong(file, next.line)
      return told()
    },
    end: async (): Promise<readonly Row[]> => {
      await ended()
      return told()
    },
  }
}

const lineBreaksIn = (text: string): number => (text.includes('\n') ? text.split('\n').length - 1 : 0)
const sum = (numbers: readonly number[]): number => numbers.reduce((all, one) => all + one, 0)

type Head = { readonly columns: ReadonlyMap<string, number>; readonly width: number }

/** Commas after the last name are those of a spreadsheet. */
const headOf = (cells: readonly string[]): Head => {
  const names = cells.map((name) => name.trim())
  return {
    columns: new Map(names.map((name, place) => [name, place])),
    width: names.findLastIndex((name) => name !== '') + 1,
  }
}

/** A row with fewer fields than there are names was cut off, one with more has a comma that is in no quotes. */
const fitting = (row: Row, width: number): Row => {
  const { file, line, cells } = row
  if (cells.length >= width && cells.slice(width).every((value) => value.trim() === '')) return row
  throw new Problem({
    kind: 'invalid-csv',
    status: 422,
    detail: `the row has ${cells.length} fields where the first row names ${width}`,
    where: { file, line },
    next: 'a file that was cut off is to be exported again; a field that holds a comma stands in quotes',
  })
}

const malformed = (file: string, line: number, error: CsvError): Problem =>
  new Problem(
    {
      kind: 'invalid-csv',
      status: 422,
      detail:
        error.code === 'CSV_QUOTE_NOT_CLOSED'
          ? 'a quote of the row that begins here is never closed'
          : 'the row that begins here has a quote within a field',
      where: { file, line },
      next: 'write a field that holds quotes in quotes, and each of its own quotes twice (RFC 4180)',
    },
    { cause: error },
  )

const tooLong = (file: string, line: number): Problem =>
  new Problem({
    kind: 'invalid-csv',
    status: 422,
    detail: `the row that begins here is longer than ${longestRowBytes / 1024 / 1024} MiB`,
    where: { file, line },
    next: 'look for a quote that is never closed, and leave out columns with long texts',
  })

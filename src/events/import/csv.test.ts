import assert from 'node:assert/strict'
import { test } from 'node:test'
import { cell, longestRowBytes, readCsv } from './csv.ts'

const rowsOf = async (...chunks: (string | Uint8Array)[]) => {
  const rows: Record<string, string | number>[] = []
  const content = chunks.map((chunk) => (typeof chunk === 'string' ? Buffer.from(chunk) : chunk))
  for await (const some of readCsv({ name: 'table.csv', content }))
    for (const row of some)
      rows.push({
        line: row.line,
        ...Object.fromEntries([...row.columns.keys()].map((name) => [name, cell(row, name)])),
      })
  return rows
}

test('a table is read by RFC 4180 however its bytes come, each row with the line on which it begins', async () => {
  const table = '\ufeffa, b\r\n"x ""y""","1\r\n2ö"\r\n\r\n,\r\n3, 4 \nlast,""'
  const expected = [
    { line: 2, a: 'x "y"', b: '1\r\n2ö' },
    { line: 6, a: '3', b: '4' },
    { line: 7, a: 'last', b: '' },
  ]
  assert.deepEqual(await rowsOf(table), expected)
  assert.deepEqual(await rowsOf(...[...Buffer.from(table)].map((byte) => Uint8Array.of(byte))), expected)
  assert.deepEqual(await rowsOf(Buffer.from('\ufeffa,b\r\nö,2\r\n', 'utf16le')), [{ line: 2, a: 'ö', b: '2' }])
  assert.deepEqual(await rowsOf('a,b,,\n1,2,,,\n'), [{ line: 2, a: '1', b: '2', '': '' }])
  assert.deepEqual(await rowsOf(''), [])
})

test('rows come as the bytes do, and of a table without an end no more is read than was asked for', async () => {
  let drawn = 0
  let isClosed = false
  function* endless(): Generator<Uint8Array> {
    try {
      yield Buffer.from('a,b\n')
      for (;;) {
        drawn += 1
        yield Buffer.from(`${drawn},"x\ny"\n`.repeat(10))
      }
    } finally {
      isClosed = true
    }
  }
  let told = 0
  for await (const rows of readCsv({ name: 'endless.csv', content: endless() })) {
    told += rows.length
    assert.ok(told >= drawn * 10 - 1 && told <= drawn * 10, `${told} rows of ${drawn} times ten`) // one may not have ended
    if (told > 10_000) break
  }
  assert.ok(isClosed)
})

for (const [what, endless] of [
  ['a field that goes on and on', 'x'.repeat(65_536)],
  ['a quote that is never closed', `"${'x,\n'.repeat(20_000)}`],
  ['commas and nothing else', ','.repeat(65_536)],
] as const)
  test(`a row without an end is refused when it is too long: ${what}`, async () => {
    let given = 0
    function* content(): Generator<Uint8Array> {
      yield Buffer.from('a,b\n1,2\n')
      yield Buffer.from(endless)
      for (;;) {
        given += endless.length
        yield Buffer.from(endless.replace('"', ''))
      }
    }
    const reading = async (): Promise<void> => {
      for await (const _ of readCsv({ name: 'hostile.csv', content: content() }));
    }
    await assert.rejects(reading(), {
      detail: 'the row that begins here is longer than 4 MiB',
      where: { file: 'hostile.csv', line: 3 },
      next: 'look for a quote that is never closed, and leave out columns with long texts',
    })
    assert.ok(given < longestRowBytes + 200_000, `${given} bytes were read`)
  })

test('a table that was cut off or is wrongly quoted is refused with its line', async () => {
  const refusal = async (table: string) =>
    rowsOf(table).then(
      () => null,
      ({ detail, where }) => [detail, where.file, where.line],
    )
  const inside = 'the row that begins here has a quote within a field'
  const fields = (count: number): string => `the row has ${count} fields where the first row names 2`
  const said = [
    ['a,b\n1,2\n3,"4\n5,6\n', ['a quote of the row that begins here is never closed', 'table.csv', 3]],
    ['a,b\n"1\n",2\n3,x"4"\n', [inside, 'table.csv', 4]],
    ['a,b\n1,"2"x\n', [inside, 'table.csv', 2]],
    ['a,b\n1,2\n3', [fields(1), 'table.csv', 3]],
    ['a,b\n1,2,3\n', [fields(3), 'table.csv', 2]],
  ] as const
  for (const [table, expected] of said) assert.deepEqual(await refusal(table), expected)
})

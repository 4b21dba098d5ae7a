import assert from 'node:assert/strict'
import { test } from 'node:test'
import { longestItemBytes, longestWholeBytes, readJson } from './json.ts'

const itemsOf = async (...chunks: (string | Uint8Array)[]): Promise<unknown[]> => {
  const items: unknown[] = []
  const content = chunks.map((chunk) => (typeof chunk === 'string' ? Buffer.from(chunk) : chunk))
  for await (const some of readJson({ name: 'dump.json', content })) items.push(...some)
  return items
}
const refusal = (...chunks: string[]) =>
  itemsOf(...chunks).then(
    () => null,
    ({ detail, where }) => [detail, where],
  )

test('arrays, arrays of arrays, pages one after the other and lines of objects are told item by item, however the bytes come', async () => {
  const one = { title: 'ö "] [" } {', labels: [{ name: 'a' }], deep: { list: [[1], []] } }
  const page = { total_count: 1, workflow_runs: [one] }
  const text = JSON.stringify
  for (const [file, expected] of [
    ['', []],
    [' \n', []],
    ['[]', []],
    [text([one, 2, one]), [one, 2, one]],
    [text([[one], [], [one, one]]), [one, one, one]],
    [text([one]) + text([one]), [one, one]],
    [`${text([one])}\n${text([])}\n${text([one])}\n`, [one, one]],
    [`${text(one)}\n${text(one)}\n`, [one, one]],
    [text(page) + text(page), [page, page]],
    [text([page, page]), [page, page]],
    [`\ufeff${text([one])}`, [one]],
    ['{"__proto__": {"id": 1}}', [JSON.parse('{"__proto__": {"id": 1}}')]],
  ] as const) {
    assert.deepEqual(await itemsOf(file), expected, file)
    assert.deepEqual(await itemsOf(...[...Buffer.from(file)].map((byte) => Uint8Array.of(byte))), expected, file)
  }
  assert.deepEqual(await itemsOf(Buffer.from(`\ufeff${text([one])}`, 'utf16le')), [one])
})

test('of an array without an end no more is read than was asked for', async () => {
  let drawn = 0
  let isClosed = false
  function* endless(): Generator<Uint8Array> {
    try {
      yield Buffer.from('[')
      for (;;) {
        drawn += 1
        yield Buffer.from('{"id":1,"list":[1]},'.repeat(10))
      }
    } finally {
      isClosed = true
    }
  }
  let told = 0
  for await (const items of readJson({ name: 'endless.json', content: endless() })) {
    told += items.length
    assert.equal(told, drawn * 10)
    if (told > 10_000) break
  }
  assert.ok(isClosed)
})

test('the list of a page is told as it comes once the page is long, and the page without it in the end', async () => {
  const body = 'x'.repeat(1024 * 1024)
  const count = longestWholeBytes / body.length + 10
  for (const [before, after] of [
    ['{"total_count":9,"runs":[', '],"more":[{"id":"last"}],"done":true}'],
    ['[{"total_count":9,"runs":[', '],"more":[{"id":"last"}],"done":true}]'],
  ] as const) {
    let most = 0
    const ids: unknown[] = []
    const content = [
      before,
      ...Array.from({ length: count }, (_, id) => `${id ? ',' : ''}${JSON.stringify({ id, body })}`),
      after,
    ]
    const rest: unknown[] = []
    for await (const items of readJson({ name: 'page.json', content: content.map((text) => Buffer.from(text)) })) {
      most = Math.max(most, items.length)
      for (const item of items) {
        if (Object(item).id === undefined) rest.push(item)
        else ids.push(Object(item).id)
      }
    }
    assert.deepEqual(ids, [...Array.from({ length: count }, (_, id) => id), 'last'])
    assert.deepEqual(rest, [{ total_count: 9, runs: [], more: [], done: true }])
    assert.ok(most <= longestWholeBytes / body.length + 2, `${most} at once`)
  }
})

test('what is no JSON is refused with its line and column, and a file that was cut off with where it ends', async () => {
  const at = (line: number, column: number) => ({ file: 'dump.json', line, column })
  const no = (what: string): string =>
    `this is no JSON that can be read: ${what} cannot stand here; nothing was imported`
  const ends = 'the file ends within a value; nothing was imported'
  for (const [text, expected] of [
    ['[1,\n {"a": tru}]', [no('"}"'), at(2, 11)]],
    ['[1,\n\n {"a" 1}]', [no('1'), at(3, 7)]],
    ['[1,]', [no('"]"'), at(1, 4)]],
    ['{"a":1}\n]', [no('"]"'), at(2, 1)]],
    [
      '['.repeat(501),
      [`this is no JSON that can be read: brackets within brackets, 500 deep; nothing was imported`, at(1, 501)],
    ],
    ['<html>', [no('"<"'), at(1, 1)]],
    ['[{"a":1},\n{"b', [ends, at(2, 4)]],
    ['[{"a":1}', [ends, at(1, 9)]],
    ['[1]\n[tr', [ends, at(2, 4)]],
  ] as const) {
    assert.deepEqual(await refusal(text), expected, text)
    assert.deepEqual(await refusal(...text), expected, text)
  }
})

for (const [what, first, more] of [
  ['a string that is never closed', '["', 'x'],
  ['an object that is never closed', '[{"a":{"b":1', ',"b":1'],
] as const)
  test(`an item without an end is refused when it is too long: ${what}`, async () => {
    const chunk = Buffer.from(more.repeat(Math.floor(1024 ** 2 / more.length)))
    let given = 0
    function* content(): Generator<Uint8Array> {
      yield Buffer.from(first)
      for (;;) {
        given += chunk.length
        yield chunk
      }
    }
    const reading = async (): Promise<void> => {
      for await (const _ of readJson({ name: 'hostile.json', content: content() }));
    }
    await assert.rejects(reading(), {
      kind: 'invalid-json',
      detail: 'what ends here, or after this, is longer than 16 MiB; nothing was imported',
      next: 'look for a string that is never closed, and leave out what is no answer of the API',
    })
    assert.ok(given <= longestItemBytes + 2 * chunk.length, `${given} bytes were read`)
  })

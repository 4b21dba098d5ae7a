import assert from 'node:assert/strict'
import { test } from 'node:test'
import { piecesOf, plainOf } from './ansi.ts'
import { createPlaces, foldOf, Groups, hiddenLines } from './groups.ts'
import { LogLines } from './lines.ts'
import { LogSearch } from './search.ts'

const texts = (line: string) => piecesOf(line).pieces.map(({ text, tone }) => [text, tone])

test('colours are taken from a line, every other trick is written out', () => {
  assert.deepEqual(texts('\u001b[31mred\u001b[0m plain \u001b[1;92mgreen'), [
    ['red', 'bad'],
    [' plain ', null],
    ['green', 'good'],
  ])
  assert.deepEqual(texts('a\u001b[2Jb\u202ec\u0007'), [
    ['a', null],
    ['⟨001B⟩', 'control'],
    ['[2Jb', null],
    ['⟨202E⟩', 'control'],
    ['c', null],
    ['⟨0007⟩', 'control'],
  ])
  assert.deepEqual(texts('\u001b[38;5;196mx\u001b[38;2;1;2;3my'), [
    ['x', null],
    ['y', null],
  ])
  assert.equal(plainOf('\u001b[31mred\u001b[0m'), 'red')
})

test('a line of a megabyte shows its beginning and says how much is left', () => {
  const { pieces, cut } = piecesOf('x'.repeat(1_000_000))
  assert.deepEqual([pieces[0]?.text.length, cut], [4_000, 996_000])
})

test('groups fold to their first line, an open one up to the end', () => {
  const lines = ['before', '##[group]one', 'a', '##[endgroup]', 'between', '##[group]two', 'b', 'c'].map((text) => ({
    at: 0,
    text,
  }))
  const groups = new Groups().follow(lines.slice(0, 3)).follow(lines)
  assert.deepEqual(
    [...groups.all],
    [
      [1, { title: 'one', until: 3, isEnded: true }],
      [5, { title: 'two', until: 7, isEnded: false }],
    ],
  )
  const shown = (...folded: number[]) => {
    const places = createPlaces(8, hiddenLines(groups, new Set(folded)))
    const numbers = Array.from({ length: places.count }, (_, place) => places.lineAt(place))
    assert.deepEqual(
      numbers.map((number) => places.placeOf(number)),
      numbers.map((_, place) => place),
    )
    const rest = [0, 1, 2, 3, 4, 5, 6, 7].filter((number) => !numbers.includes(number))
    assert.deepEqual(
      rest.map((number) => places.placeOf(number)),
      rest.map(() => null),
    )
    return numbers
  }
  assert.deepEqual(shown(), [0, 1, 2, 4, 5, 6, 7])
  assert.deepEqual(shown(1), [0, 1, 4, 5, 6, 7])
  assert.deepEqual(shown(5), [0, 1, 2, 4, 5])
  assert.deepEqual(shown(5, 1), [0, 1, 4, 5])
  const foldsOf = (...folded: number[]) => lines.map((_, line) => foldOf(groups, new Set(folded), line))
  assert.deepEqual(foldsOf(5, 1), [null, null, 1, 1, null, null, 5, 5])
  assert.deepEqual(foldsOf(5), [null, null, null, null, null, null, 5, 5])
  assert.deepEqual(createPlaces(2, hiddenLines(new Groups().follow([]), new Set())).count, 2)
})

test('a search reads on in slices as lines come, in any case, beneath the colours, and takes what is typed as it is', () => {
  const lines = Array.from({ length: 5_000 }, (_, at) => ({
    at: 0,
    text: at % 1_000 === 7 ? `\u001b[31mNot\u001b[0m BADLY (${at})` : 'nothing',
  }))
  const search = new LogSearch('not badly (')
  let now = 0
  const tick = () => (now += 10)
  assert.equal(search.follow(lines, 5, tick), false)
  assert.deepEqual(search.hits, [7, 1_007])
  while (!search.follow(lines, 5, tick));
  assert.deepEqual(search.hits, [7, 1_007, 2_007, 3_007, 4_007])
  lines.push({ at: 0, text: 'not badly (again)' })
  assert.equal(search.follow(lines, 1_000, tick), true)
  assert.equal(search.hits.at(-1), 5_000)
  const dots = new LogSearch('.*')
  dots.follow(lines, 1_000, tick)
  assert.deepEqual(dots.hits, [])
})

test('lines that have come are there once it is told, not before', async (context) => {
  const { readable, writable } = new TransformStream<Uint8Array, Uint8Array>()
  context.mock.method(globalThis, 'fetch', async () => new Response(readable))
  const log = new LogLines()
  const reading = log.read('', new AbortController().signal)
  const writer = writable.getWriter()
  const counts = new Map<number, Set<number>>()
  const say = async (text: string, told: number): Promise<void> => {
    await writer.write(new TextEncoder().encode(`${JSON.stringify({ at: 0, text })}\n`))
    while (log.version < told) {
      counts.set(log.version, (counts.get(log.version) ?? new Set()).add(log.lines.length))
      await new Promise((seen) => setImmediate(seen))
    }
  }
  await say('one', 1)
  await say('two', 2)
  await writer.close()
  await reading
  assert.deepEqual(
    [...counts],
    [
      [0, new Set([0])],
      [1, new Set([1])],
    ],
  )
  assert.deepEqual([log.state, log.lines.map(({ text }) => text)], ['ended', ['one', 'two']])
})

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createReader, languageOf } from './syntax.ts'

const read = (path: string, ...lines: string[]) => {
  const reader = createReader(languageOf(path))
  return lines.map((line) => reader(line).map(({ text, kind }) => [text, kind]))
}

test('words, strings, numbers and comments are told apart, and nothing of a line is lost', () => {
  assert.deepEqual(read('src/a.ts', "const a = 'it\\'s' + 12 // done")[0], [
    ['const', 'word'],
    [' a = ', null],
    ["'it\\'s'", 'string'],
    [' + ', null],
    ['12', 'number'],
    [' ', null],
    ['// done', 'comment'],
  ])
  assert.deepEqual(read('a.yaml', 'color: "#fff" # a colour'), [
    [
      ['color: ', null],
      ['"#fff"', 'string'],
      [' ', null],
      ['# a colour', 'comment'],
    ],
  ])
  assert.deepEqual(read('a.css', 'a#b { color: red }'), [[['a#b { color: red }', null]]])
  for (const line of ["'unfinished", 'a`b', '/* a */ b /* c', '"\\', '\u202e"x"', ''])
    assert.equal(
      read('a.js', line)[0]
        ?.map(([text]) => text)
        .join(''),
      line,
    )
})

test('a comment goes on over lines until it ends; a language that nobody knows and a very long line stay as they are', () => {
  assert.deepEqual(read('a.go', 'x /* one', 'two', 'three */ return'), [
    [
      ['x ', null],
      ['/* one', 'comment'],
    ],
    [['two', 'comment']],
    [
      ['three */', 'comment'],
      [' ', null],
      ['return', 'word'],
    ],
  ])
  assert.deepEqual(read('a.unknown', 'return 1'), [[['return 1', null]]])
  assert.deepEqual(read('a.js', 'a'.repeat(3_000))[0]?.length, 1)
})

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createAnnotations, type Remark, remarkOf } from './annotations.ts'
import { isCommandName, parseCommand } from './commands.ts'

test('a command is a known name between colons at the start of a line, or in brackets anywhere', () => {
  const command = (name: string, value = '', properties: Record<string, string> = {}) => ({ name, value, properties })
  const lines: readonly [line: string, command: ReturnType<typeof command> | null][] = [
    ['::notice::hello', command('notice', 'hello')],
    ['  ::ERROR::x', command('error', 'x')],
    [
      '::error file=a.js,line=3,endLine=4::It broke',
      command('error', 'It broke', { file: 'a.js', line: '3', endline: '4' }),
    ],
    ['::error file=a%3Ab%2Cc,title=100%25::a%0Ab%250A', command('error', 'a\nb%0A', { file: 'a:b,c', title: '100%' })],
    ['::error file=,line=1::x', command('error', 'x', { line: '1' })],
    ['::error::%3A%2C%0a', command('error', '%3A%2C%0a')],
    ['::debug ::x', command('debug', 'x')],
    ['::endgroup::', command('endgroup')],
    ['text ##[warning file=a;line=2]b%5D', command('warning', 'b]', { file: 'a', line: '2' })],
    ['::unknown::x', null],
    ['text ::error::x', null],
    ['::error', null],
    [':: error::x', null],
    ['##[forged]x', null],
    ['##[error', null],
  ]
  for (const [line, expected] of lines) assert.deepEqual(parseCommand(line, isCommandName), expected, line)
})

const remark = (about: Partial<Remark> = {}): Remark => ({
  level: 'warning',
  message: 'm',
  ...{ title: null, file: null, line: null, endLine: null, column: null, endColumn: null },
  ...about,
})

test('lines and columns that contradict one another are dropped', () => {
  const places: readonly [properties: Record<string, string>, place: Partial<Remark>][] = [
    [
      { file: 'a', line: '3', endline: '5', title: 't' },
      { file: 'a', line: 3, endLine: 5, title: 't' },
    ],
    [
      { line: '3', col: '1', endcolumn: '4' },
      { line: 3, column: 1, endColumn: 4 },
    ],
    [{ endline: '5' }, { line: 5, endLine: 5 }],
    [
      { line: '3', endcolumn: '4' },
      { line: 3, column: 4, endColumn: 4 },
    ],
    [{ col: '4' }, {}],
    [
      { line: '3', endline: '5', col: '4' },
      { line: 3, endLine: 5 },
    ],
    [{ line: '5', endline: '3' }, {}],
    [{ line: '3', col: '4', endcolumn: '1' }, { line: 3 }],
    [{ line: 'three' }, {}],
  ]
  for (const [properties, place] of places)
    assert.deepEqual(remarkOf('warning', 'm', properties), remark(place), JSON.stringify(properties))
})

test('ten annotations of a level are kept of a step, fifty of a job, failures before others', () => {
  const annotations = createAnnotations()
  for (let step = 1; step <= 4; step += 1)
    for (let at = 1; at <= 12; at += 1)
      for (const level of ['notice', 'failure'] as const)
        annotations.add({ ...remark({ level, message: `${at}` }), step: `step ${step}` })
  const kept = annotations.kept()
  const count = (level: string) => kept.filter((one) => one.level === level).length
  assert.deepEqual([kept.length, count('failure'), count('notice')], [50, 40, 10])
  assert.deepEqual(
    kept.slice(0, 3).map(({ level, message }) => `${level} ${message}`),
    ['notice 1', 'failure 1', 'notice 2'],
  )
})

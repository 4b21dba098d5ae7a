import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createMatchers, createMatchReader, parseMatchers } from './matchers.ts'

const matcherOf = (owner: string, pattern: readonly object[], severity?: string): string =>
  JSON.stringify({ problemMatcher: [{ owner, pattern, ...(severity ? { severity } : {}) }] })

const found = (files: readonly string[], lines: readonly string[]): (string | null)[] => {
  const matchers = createMatchers()
  for (const file of files) matchers.add(parseMatchers(file))
  const reader = createMatchReader(matchers, (message) => assert.fail(message))
  return reader
    .problemsOn(lines)
    .map(
      (problem) =>
        problem &&
        [
          problem.remark.level,
          problem.remark.file,
          problem.remark.line,
          problem.remark.column,
          problem.remark.title,
          problem.remark.message,
        ].join(' '),
    )
}

const tsc = matcherOf('tsc', [
  {
    regexp: '^([^\\s].*)[\\(:](\\d+)[,:](\\d+)(?:\\):\\s+|\\s+-\\s+)(error|warning|info)\\s+TS(\\d+)\\s*:\\s*(.*)$',
    file: 1,
    line: 2,
    column: 3,
    severity: 4,
    code: 5,
    message: 6,
  },
])
const stylish = matcherOf('eslint-stylish', [
  { regexp: '^([^\\s].*)$', file: 1 },
  {
    regexp: '^\\s+(\\d+):(\\d+)\\s+(error|warning|info)\\s+(.*)\\s\\s+(.*)$',
    line: 1,
    column: 2,
    severity: 3,
    message: 4,
    code: 5,
    loop: true,
  },
])

test('a problem on one line is found, with its colours taken off', () => {
  assert.deepEqual(
    found(
      [tsc],
      ['building', 'src/a.ts(3,7): \u001b[31merror\u001b[0m TS2322: Type x', 'b.ts(1,1): info TS1: nothing'],
    ),
    [null, 'failure src/a.ts 3 7 2322 Type x', null],
  )
})

test('a problem on several lines is found, and a last pattern that loops finds more below the same lines', () => {
  const lines = [
    'test.js',
    '  1:0   error  Missing "use strict"  strict',
    '  5:10  warning  unused  no-unused-vars',
    '',
    '  6:1  error  lost  rule',
  ]
  assert.deepEqual(found([stylish], lines), [
    null,
    'failure test.js 1 0 strict Missing "use strict"',
    'warning test.js 5 10 no-unused-vars unused',
    null,
    null,
  ])
  const pair = matcherOf(
    'pair',
    [
      { regexp: '^file (.*)$', file: 1 },
      { regexp: '^line (\\d+) (.*)$', line: 1, message: 2 },
    ],
    'notice',
  )
  assert.deepEqual(found([pair], ['file a', 'line 1 x', 'line 2 y', 'file b', 'between', 'line 3 z']), [
    ...[null, 'notice a 1   x', null],
    ...[null, null, null],
  ])
})

test('a matcher replaces the one of the same owner, the newest is asked first, and owners are removed ignoring case', () => {
  const matchers = createMatchers()
  matchers.add(parseMatchers(matcherOf('one', [{ regexp: '^(.*)$', message: 1 }])))
  matchers.add(parseMatchers(matcherOf('two', [{ regexp: '^(.*)$', message: 1 }])))
  matchers.add(parseMatchers(matcherOf('ONE', [{ regexp: '^(.*)$', message: 1 }], 'warning')))
  assert.deepEqual(
    matchers.list().map(({ owner }) => owner),
    ['ONE', 'two'],
  )
  matchers.removeOwners(['one'])
  assert.deepEqual(
    matchers.list().map(({ owner }) => owner),
    ['two'],
  )
})

test('what is wrong with a file of matchers is said', () => {
  const wrong: readonly [text: string, fault: RegExp][] = [
    ['{', /JSON/],
    [matcherOf('', [{ regexp: 'x', message: 0 }]), /owner must not be empty/],
    [matcherOf('a', []), /needs a pattern/],
    [matcherOf('a', [{ regexp: 'x' }]), /At least one pattern must set 'message'/],
    [matcherOf('a', [{ regexp: '(x)', message: 2 }]), /'message' is set to 2 which is out of range/],
    [matcherOf('a', [{ regexp: '(x)', message: 1, loop: true }]), /Only the last pattern in a multiline matcher/],
    [
      matcherOf('a', [
        { regexp: '(x)', file: 1 },
        { regexp: '(x)', file: 1, message: 1 },
      ]),
      /'file' is set twice/,
    ],
    [matcherOf('a', [{ regexp: '(', message: 0 }]), /Invalid regular expression/],
    [matcherOf('a', [{ regexp: 'x', message: 0 }], 'fatal'), /severity/],
  ]
  for (const [text, fault] of wrong) assert.throws(() => parseMatchers(text), fault, text)
})

test('a pattern that would never end is given up, and the lines are read on', () => {
  const matchers = createMatchers()
  matchers.add(parseMatchers(matcherOf('endless', [{ regexp: '^(a+)+$', message: 1 }])))
  matchers.add(parseMatchers(matcherOf('fine', [{ regexp: '^oh (.*)$', message: 1 }])))
  const said: string[] = []
  const reader = createMatchReader(matchers, (message) => said.push(message))
  const problems = reader.problemsOn(['oh one', `${'a'.repeat(60)}!`, 'oh two'])
  assert.deepEqual(
    problems.map((problem) => problem?.remark.message ?? null),
    ['one', null, 'two'],
  )
  assert.deepEqual(said, ["Removing issue matcher 'endless'. It took longer than 250 ms"])
  assert.deepEqual(
    matchers.list().map(({ owner }) => owner),
    ['fine'],
  )
})

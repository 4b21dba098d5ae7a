import assert from 'node:assert/strict'
import { test } from 'node:test'
import { reading, toldOf } from '../testing.ts'

const lines = (...all: string[]): string => `${all.join('\n')}\n`

test('TAP 14: directives, escapes, diagnostics and a plan that is kept', async () => {
  const text = lines(
    'TAP version 14',
    '1..6',
    'ok 1 - opens \\# 1',
    'not ok 2 - closes',
    '  ---',
    "  message: 'it is open'",
    '  at:',
    '    file: test/door.js',
    '    line: 12',
    '  ...',
    'ok 3 - locks # SKIP no key',
    'not ok 4 - alarms # TODO buy one',
    'ok 5 # time=12.5ms',
    'not ok 6 - rings',
    '# (in test file test/door.bats, line 8)',
    "#   `[ 1 -eq 2 ]' failed",
  )
  const results = await reading('tap', text, ['test/door.js', 'test/door.bats'])
  assert.deepEqual(
    [toldOf(results), results.notes],
    [
      [
        ' › opens # 1: passed',
        ' › closes: failed, at test/door.js:12, "it is open"',
        ' › locks: skipped, "no key"',
        ' › alarms: skipped, "buy one"',
        ' › (no name): passed, 12.5 ms',
        ' › rings: failed, at test/door.bats:8, "(in test file test/door.bats, line 8)"',
      ],
      [],
    ],
  )
})

test('subtests in all three styles are cases of the suite above them, which is none itself unless it alone failed', async () => {
  const text = lines(
    'TAP version 13',
    '# Subtest: outer',
    '    # Subtest: inner',
    '        ok 1 - deep',
    '        1..1',
    '    ok 1 - inner',
    '    not ok 2 - flat',
    '    1..2',
    'not ok 1 - outer',
    '    ok 1 - bare',
    '    1..1',
    'ok 2 - named afterwards',
    'ok 3 - buffered # time=5ms {',
    '    ok 1 - within',
    '    1..1',
    '}',
    '# Subtest: hooks',
    '    ok 1 - fine',
    '    1..1',
    'not ok 4 - hooks',
    '  ---',
    "  error: 'the after hook threw'",
    '  duration_ms: 3',
    '  ...',
    '1..4',
  )
  assert.deepEqual(toldOf(await reading('tap', text)), [
    'outer › inner › deep: passed',
    'outer › flat: failed',
    'named afterwards › bare: passed',
    'buffered › within: passed',
    'hooks › fine: passed',
    ' › hooks: failed, 3 ms, "the after hook threw"',
  ])
})

test('a report that breaks off keeps what came before and says so', async () => {
  const cases = {
    plan: lines('TAP version 14', '1..3', 'ok 1 - a'),
    block: lines('TAP version 14', 'not ok 1 - a', '  ---', '  message: x'),
    subtest: lines('TAP version 14', '# Subtest: outer', '    ok 1 - a'),
    bail: lines('TAP version 14', 'ok 1 - a', 'Bail out! no disk'),
  }
  const read = await Promise.all(
    Object.entries(cases).map(async ([name, text]) => {
      const results = await reading('tap', text)
      return [name, toldOf(results), results.notes]
    }),
  )
  assert.deepEqual(read, [
    ['plan', [' › a: passed'], ['report.tap: it announces 3 tests, and holds 1']],
    ['block', [' › a: failed'], ['report.tap: it ends within a block of diagnostics']],
    ['subtest', ['outer › a: passed'], []],
    ['bail', [' › a: passed', ' › Bail out!: failed, "no disk"'], []],
  ])
})

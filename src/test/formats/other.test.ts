import assert from 'node:assert/strict'
import { test } from 'node:test'
import { reading, toldOf } from '../testing.ts'

const events = (...all: object[]): string => all.map((event) => `${JSON.stringify(event)}\n`).join('')

test('go test -json: leaves count, a package only when no test of it says why it failed', async () => {
  const cart = { Package: 'example.org/shop/cart' }
  const text = events(
    { Action: 'start', ...cart },
    { Action: 'run', ...cart, Test: 'TestAdd' },
    { Action: 'run', ...cart, Test: 'TestAdd/two' },
    { Action: 'output', ...cart, Test: 'TestAdd/two', Output: '=== RUN   TestAdd/two\n' },
    { Action: 'output', ...cart, Test: 'TestAdd/two', Output: '    cart_test.go:9: got 3, want 4\n' },
    { Action: 'fail', ...cart, Test: 'TestAdd/two', Elapsed: 0.01 },
    { Action: 'fail', ...cart, Test: 'TestAdd', Elapsed: 0.02 },
    { Action: 'output', ...cart, Test: 'TestSlow', Output: '    cart_test.go:20: slow machine\n' },
    { Action: 'skip', ...cart, Test: 'TestSlow', Elapsed: 0 },
    { Action: 'pass', ...cart, Test: 'TestSub', Elapsed: 0.5 },
    { Action: 'fail', ...cart, Elapsed: 0.7 },
    { Action: 'output', Package: 'example.org/shop', Output: '# example.org/shop\nmain.go:3:8: undefined: x\n' },
    { Action: 'fail', Package: 'example.org/shop', Elapsed: 0 },
    { Action: 'run', Package: 'example.org/shop/pay', Test: 'TestHangs' },
    { Action: 'output', Package: 'example.org/shop/pay', Test: 'TestHangs', Output: 'panic: test timed out\n' },
  )
  const results = await reading('go-test', `${text}not json\n`, ['cart/cart_test.go', 'main.go'])
  assert.deepEqual(
    [toldOf(results), results.notes],
    [
      [
        'example.org/shop/cart › TestAdd/two: failed, 10 ms, at cart/cart_test.go:9, "cart_test.go:9: got 3, want 4"',
        'example.org/shop/cart › TestSlow: skipped, 0 ms, "cart_test.go:20: slow machine"',
        'example.org/shop/cart › TestSub: passed, 500 ms',
        'example.org/shop › (package): failed, 0 ms, at main.go:3, "# example.org/shop"',
        'example.org/shop/pay › TestHangs: failed, "panic: test timed out"',
      ],
      ['report.go-test: 1 lines are no events'],
    ],
  )
})

test('lcov counts each line of a file once, and the sums of files without lines', async () => {
  const text = `TN:a
SF:src/a.js
DA:1,1
DA:2,0
LF:2
LH:1
end_of_record
TN:b
SF:src/a.js
DA:2,5
DA:3,0
end_of_record
SF:src/b.js
LF:10
LH:4
end_of_record
`
  const { reports, notes } = await reading('lcov', text)
  assert.deepEqual([reports[0]?.coverage, notes], [{ covered: 6, total: 13 }, []])
  assert.deepEqual((await reading('lcov', 'TN:\n')).notes, ['report.lcov: it tells of no lines'])
})

test('Cobertura counts a line beneath method and class once, with the document type that its tools write', async () => {
  const text = `<?xml version="1.0" ?><!DOCTYPE coverage SYSTEM "http://cobertura.sourceforge.net/xml/coverage-04.dtd">
<coverage line-rate="0.66" version="1"><packages><package name="p"><classes><class name="A" filename="src/a.py"><methods><method
name="m"><lines><line number="1" hits="2"/></lines></method></methods><lines><line number="1" hits="2"/><line number="2" hits="0"/>
<line number="3" hits="1"/></lines></class></classes></package></packages></coverage>`
  const { reports, notes } = await reading('cobertura', text)
  assert.deepEqual([reports[0]?.coverage, notes], [{ covered: 2, total: 3 }, []])
  const cut = await reading('cobertura', text.slice(0, -80))
  assert.equal(cut.reports[0]?.coverage, null)
  assert.match(cut.notes[0] ?? '', /Unclosed root tag|Unexpected end/)
})

test('k6: both forms of its summary', async () => {
  const old = { metrics: { http_req_duration: { avg: 10, 'p(90)': 20, 'p(95)': 21.5 } } }
  const data = { metrics: { http_req_duration: { type: 'trend', values: { 'p(95)': 250 }, thresholds: {} } } }
  const read = await Promise.all(
    [old, data, { metrics: {} }, { metrics: 3 }].map(async (one) => {
      const { reports, notes } = await reading('k6', JSON.stringify(one))
      return [reports[0]?.p95Ms, notes]
    }),
  )
  assert.deepEqual(read, [
    [21.5, []],
    [250, []],
    [null, ['report.k6: none of http_req_duration, grpc_req_duration, iteration_duration has a 95th percentile']],
    [null, ['report.k6: it is no summary of k6']],
  ])
})

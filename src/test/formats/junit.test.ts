import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { reading, told, toldOf } from '../testing.ts'

test('pytest: classes and files are told apart, lines count from 1, an expected failure is skipped', async () => {
  const text = `<?xml version="1.0" encoding="utf-8"?><testsuites name="pytest tests"><testsuite name="pytest" errors="1"
failures="1" skipped="1" tests="4" time="0.051" timestamp="2026-01-01T00:00:00" hostname="h">
<testcase classname="tests.test_cart" name="test_total[3-&lt;b&gt;]" file="tests/test_cart.py" line="0" time="0.002" />
<testcase classname="tests.test_cart.TestCart" name="test_sum" file="tests/test_cart.py" line="7" time="0.001"><failure
message="assert 3 == 4&#10;  +  where 3 = add(1, 2)">    def test_sum():
&gt;       assert add(1, 2) == 4
E       assert 3 == 4

tests/test_cart.py:9: AssertionError</failure></testcase>
<testcase classname="tests.test_cart" name="test_later" file="tests/test_cart.py" line="12" time="0.000"><skipped
type="pytest.xfail" message="not yet" /></testcase>
<testcase classname="tests.test_db" name="test_connects" file="tests/test_db.py" line="3" time="0.010"><error
message="failed on setup with &quot;OSError&quot;">tests/conftest.py:5: OSError</error></testcase>
</testsuite></testsuites>`
  const results = await reading('junit', text, ['tests/test_cart.py', 'tests/test_db.py', 'tests/conftest.py'])
  assert.deepEqual(
    [toldOf(results), results.notes],
    [
      [
        'tests.test_cart › test_total[3-<b>]: passed, 2 ms, at tests/test_cart.py:1',
        'tests.test_cart.TestCart › test_sum: failed, 1 ms, at tests/test_cart.py:9, "assert 3 == 4\n  +  where 3 = add(1, 2)"',
        'tests.test_cart › test_later: skipped, 0 ms, at tests/test_cart.py:13, "not yet"',
        'tests.test_db › test_connects: failed, 10 ms, at tests/test_db.py:4, "failed on setup with "OSError""',
      ],
      [],
    ],
  )
})

test('Surefire: reruns make a case flaky only when it passed in the end, thousands are grouped', async () => {
  const text = `<testsuite xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:noNamespaceSchemaLocation="x.xsd"
name="com.example.CartTest" time="1,234.5" tests="3" errors="0" skipped="0" failures="1"><properties><property name="a" value="b"/>
</properties><testcase name="adds" classname="com.example.CartTest" time="1,000.25"/>
<testcase name="connects" classname="com.example.CartTest" time="0.2"><flakyFailure message="refused" type="java.net.ConnectException">
<stackTrace><![CDATA[java.net.ConnectException: refused]]></stackTrace></flakyFailure></testcase>
<testcase name="empties" classname="com.example.CartTest" time="0.1"><failure message="expected:&lt;0&gt; but was:&lt;1&gt;"
type="java.lang.AssertionError"><![CDATA[java.lang.AssertionError: expected:<0> but was:<1>
	at org.junit.Assert.fail(Assert.java:89)
	at com.example.CartTest.empties(CartTest.java:21)]]></failure><rerunFailure message="again" type="x"/></testcase></testsuite>`
  const files = ['src/test/java/com/example/CartTest.java', 'src/test/java/com/other/CartTest.java']
  assert.deepEqual(toldOf(await reading('junit', text, files)), [
    'com.example.CartTest › adds: passed, 1000250 ms',
    'com.example.CartTest › connects: passed, flaky, 200 ms',
    'com.example.CartTest › empties: failed, 100 ms, at src/test/java/com/example/CartTest.java:21, "expected:<0> but was:<1>"',
  ])
})

test('jest-junit, Playwright and nested suites: what groups a case is what the tool means by it', async () => {
  const jest = `<testsuites name="jest tests" tests="1"><testsuite name="cart" tests="1"><testcase classname="cart adds"
name="cart adds" time="0.01"><failure>Error: boom
    at Object.&lt;anonymous&gt; (src/cart.test.js:4:9)
    at node_modules/jest/run.js:1:1</failure></testcase></testsuite></testsuites>`
  const nested = `<testsuites><testsuite name="A"><testsuite name="B"><testcase name="one" time="0"/></testsuite><testcase
name="two"/></testsuite></testsuites>`
  const playwright = `<testsuites><testsuite name="a.spec.ts" hostname="chromium"><testcase name="logs in" classname="a.spec.ts"
time="1.5"/></testsuite><testsuite name="a.spec.ts" hostname="firefox"><testcase name="logs in" classname="a.spec.ts" time="2">
<failure message="a.spec.ts:3:5 logs in" type="FAILURE"><![CDATA[at a.spec.ts:7:3]]></failure></testcase></testsuite></testsuites>`
  const files = ['src/cart.test.js', 'e2e/a.spec.ts']
  assert.deepEqual(
    await Promise.all([jest, nested, playwright].map(async (text) => toldOf(await reading('junit', text, files)))),
    [
      ['cart › cart adds: failed, 10 ms, at src/cart.test.js:4, "Error: boom"'],
      ['A › B › one: passed, 0 ms', 'A › two: passed'],
      [
        'a.spec.ts › logs in: passed, 1500 ms',
        'a.spec.ts › logs in (2): failed, 2000 ms, at e2e/a.spec.ts:7, "a.spec.ts:3:5 logs in"',
      ],
    ],
  )
})

test('gotestsum: a rerun within a package counts as one case, the last attempt decides', async () => {
  const text = `<testsuites tests="3"><testsuite tests="3" failures="1" time="0.01" name="example.org/shop/cart"><properties>
<property name="go.version" value="go1.24 linux/amd64"></property></properties><testcase classname="example.org/shop/cart"
name="TestAdd" time="0.000"><failure message="Failed" type="">=== RUN   TestAdd
    cart_test.go:12: got 3
--- FAIL: TestAdd (0.00s)</failure></testcase><testcase classname="example.org/shop/cart" name="TestAdd" time="0.001"></testcase>
<testcase classname="example.org/shop/cart" name="TestSub/two" time="0.002"><failure message="Failed"
type="">    cart_test.go:20: got 1</failure></testcase></testsuite></testsuites>`
  assert.deepEqual(toldOf(await reading('junit', text, ['cart/cart_test.go', 'pay/cart_test.go'])), [
    'example.org/shop/cart › TestAdd: passed, flaky, 1 ms',
    'example.org/shop/cart › TestSub/two: failed, 2 ms, at cart/cart_test.go:20, "Failed"',
  ])
})

test("Node.js's own runner, as it writes today: suites, a failure at its line, skip and todo", async (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'headway-junit-'))
  t.after(() => rmSync(directory, { recursive: true, force: true }))
  writeFileSync(
    join(directory, 'cart.test.js'),
    `const { test, describe, it } = require('node:test')
test('adds', () => {})
describe('cart', () => {
  it('is empty', () => {
    throw new Error('it holds <3> & more')
  })
  it('is later', { todo: 'soon' }, () => { throw new Error('x') })
  it('is skipped', { skip: true }, () => {})
})
`,
  )
  const read = async (format: 'junit' | 'tap') => {
    const { stdout } = spawnSync(process.execPath, ['--test', `--test-reporter=${format}`, 'cart.test.js'], {
      cwd: directory,
      encoding: 'utf8',
      env: { PATH: process.env.PATH },
    })
    const { reports, notes } = await reading(format, stdout.replaceAll(`${directory}/`, ''), ['cart.test.js'])
    const cases = reports.flatMap((report) => report.cases)
    assert.ok(cases.every(({ durationMs }) => durationMs !== null))
    return [...cases.map((one) => told({ ...one, durationMs: null })), ...notes]
  }
  assert.deepEqual(await read('junit'), [
    'cart.test.js › adds: passed, at cart.test.js',
    'cart.test.js › cart › is empty: failed, at cart.test.js:5, "it holds <3> & more"',
    'cart.test.js › cart › is later: skipped, at cart.test.js, "soon"',
    'cart.test.js › cart › is skipped: skipped, at cart.test.js',
  ])
  // TAP tells the place of what did not pass only.
  assert.deepEqual(await read('tap'), [
    ' › adds: passed',
    'cart › is empty: failed, at cart.test.js:5, "it holds <3> & more"',
    'cart › is later: skipped, at cart.test.js:7, "soon"',
    'cart › is skipped: skipped',
  ])
})

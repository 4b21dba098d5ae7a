import assert from 'node:assert/strict'
import { test } from 'node:test'
import { evaluate, evaluateText, holds, type Scope, type Status } from './expression.ts'

const success: Status = { success: true, failure: false, cancelled: false }
const failure: Status = { success: false, failure: true, cancelled: false }
const scope = (contexts: Scope['contexts'] = {}, status = success): Scope => ({ contexts, status })

const values: readonly [string, unknown][] = [
  ["format('a''b''c {0} {{}}', 'd''e''f')", "a'b'c d'e'f {}"],
  ["'A' == 'a'", true],
  ["1 == '1'", true],
  ['null == 0', true],
  ['contains(fromJSON(\'["x","y"]\'), \'Y\')', true],
  ["startsWith('Hello', 'he') && endsWith('Hello', 'LO')", true],
  ["join(fromJSON('[1,2]'), '-')", '1-2'],
  ['github.event.list.*.name', ['one', 'two']],
  ["github['EVENT'].list[1].name", 'two'],
  ['github.nothing.at.all', null],
  ["'' || 'otherwise'", 'otherwise'],
  ['toJSON(fromJSON(\'{"a":1}\'))', '{\n  "a": 1\n}'],
  ['!failure()', true],
]
test('expressions have the values that GitHub gives them', async () => {
  const contexts = { github: { event: { list: [{ name: 'one' }, { name: 'two' }] } } }
  const found = await Promise.all(values.map(([expression]) => evaluate(expression, scope(contexts))))
  assert.deepEqual(
    found,
    values.map(([, value]) => value),
  )
})

test('the environment tells upper from lower case, other contexts do not', async () => {
  const contexts = { env: { path: 'lower', PATH: 'upper', constructor: 'kept' }, vars: { Region: 'eu' } }
  const found = ['env.PATH', 'env.path', 'env.Path', 'env.constructor', 'vars.REGION'].map((text) =>
    evaluate(text, scope(contexts)),
  )
  assert.deepEqual(await Promise.all(found), ['upper', 'lower', null, 'kept', 'eu'])
})

test('a condition without a status function means success() && (...)', async () => {
  const conditions = ["'x'", 'always()', 'failure()', undefined, "contains('success()', 'x')", '!cancelled()']
  const answers = (status: Status) => Promise.all(conditions.map((one) => holds(one, scope({}, status))))
  assert.deepEqual(await answers(success), [true, true, false, true, false, true])
  assert.deepEqual(await answers(failure), [false, true, true, false, false, true])
  const cancelled = { success: false, failure: false, cancelled: true }
  assert.deepEqual(await answers(cancelled), [false, true, false, false, false, false])
})

test('empty strings, zero, false and null do not hold; collections do', async () => {
  const found = ["''", '0', 'false', 'null', "fromJSON('[]')", "fromJSON('{}')", "'0'"].map((one) =>
    holds(one, scope()),
  )
  assert.deepEqual(await Promise.all(found), [false, false, false, false, true, true, true])
})

test('hashFiles is asked for once the patterns are known', async () => {
  const asked: (readonly string[])[] = []
  const hashFiles = async (patterns: readonly string[]): Promise<string> => {
    asked.push(patterns)
    return patterns.join('+')
  }
  const text = await evaluateText("format('{0}/{1}', hashFiles('a', 'b'), hashFiles(env.X))", {
    ...scope({ env: { X: 'c' } }),
    hashFiles,
  })
  assert.deepEqual([text, asked], ['a+b/c', [['a', 'b'], ['c']]])
})

test('an error names the expression', async () => {
  await assert.rejects(evaluate("fromJSON('{')", scope()), /^Error: \$\{\{ fromJSON\('\{'\) \}\}: /)
})

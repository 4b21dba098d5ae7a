import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseWorkflow } from './parse.ts'
import { filterPattern, triggeredByPush } from './trigger.ts'

const triggers = async (on: string, ref: string, changed: readonly string[] = []): Promise<boolean> => {
  const parsing = parseWorkflow('ci.yml', `on: ${on}\njobs: { a: { runs-on: x, steps: [{ run: x }] } }\n`)
  assert.equal(parsing.kind, 'parsed', JSON.stringify(parsing))
  if (parsing.kind !== 'parsed') return false
  return (await triggeredByPush(parsing.workflow, { ref, changedPaths: async () => changed })).kind === 'run'
}

const cases: readonly [on: string, ref: string, changed: readonly string[], runs: boolean][] = [
  ['push', 'refs/heads/x', [], true],
  ['[pull_request, push]', 'refs/tags/v1', [], true],
  ['pull_request', 'refs/heads/main', [], false],
  ['{ push: { branches: [main] } }', 'refs/heads/main', [], true],
  ['{ push: { branches: [main] } }', 'refs/heads/other', [], false],
  ['{ push: { branches: [main] } }', 'refs/tags/main', [], false],
  ["{ push: { branches: ['feature/**', '!feature/old/**'] } }", 'refs/heads/feature/a/b', [], true],
  ["{ push: { branches: ['feature/**', '!feature/old/**'] } }", 'refs/heads/feature/old/b', [], false],
  ['{ push: { branches-ignore: [wip] } }', 'refs/heads/wip', [], false],
  ['{ push: { branches-ignore: [wip] } }', 'refs/heads/main', [], true],
  ["{ push: { tags: ['v*'] } }", 'refs/tags/v1.2', [], true],
  ["{ push: { tags: ['v*'] } }", 'refs/heads/v1.2', [], false],
  ["{ push: { paths: ['src/**'] } }", 'refs/heads/main', ['docs/a.md'], false],
  ["{ push: { paths: ['src/**'] } }", 'refs/heads/main', ['docs/a.md', 'src/x/y.ts'], true],
  ["{ push: { paths-ignore: ['docs/**'] } }", 'refs/heads/main', ['docs/a.md'], false],
  ["{ push: { paths-ignore: ['docs/**'] } }", 'refs/heads/main', ['docs/a.md', 'b'], true],
]
test('a push starts the workflows whose filters it passes', async () => {
  const found = await Promise.all(cases.map(([on, ref, changed]) => triggers(on, ref, changed)))
  assert.deepEqual(
    cases.map(([on, ref], at) => [on, ref, found[at]]),
    cases.map(([on, ref, , runs]) => [on, ref, runs]),
  )
})

test('filter patterns match as GitHub documents them', () => {
  const matches = (pattern: string, name: string): boolean => filterPattern(pattern).test(name)
  assert.deepEqual(
    [
      matches('*', 'main'),
      matches('*', 'a/b'),
      matches('**', 'a/b'),
      matches('**.js', 'a/b.js'),
      matches('**/README.md', 'README.md'),
      matches('*.jsx?', 'page.js'),
      matches('v[12].[0-9]+', 'v1.10'),
      matches('a.b', 'axb'),
    ],
    [true, false, true, true, true, true, true, false],
  )
})

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseWorkflow } from './parse.ts'
import { filterPattern, type HappenedEvent, triggering } from './trigger.ts'

type Happening = Partial<HappenedEvent> & { readonly changed?: readonly string[] }

const isStarted = async (on: string, { changed = [], ...event }: Happening): Promise<boolean> => {
  const parsing = parseWorkflow('ci.yml', `on: ${on}\njobs: { a: { runs-on: x, steps: [{ run: x }] } }\n`)
  assert.equal(parsing.kind, 'parsed', JSON.stringify(parsing))
  if (parsing.kind !== 'parsed') return false
  const nothing = { name: 'push', action: null, ref: 'refs/heads/main', baseRef: null, ran: null }
  const happened = { ...nothing, changedPaths: async () => changed, ...event }
  return (await triggering(parsing.workflow, happened)).kind === 'run'
}

const cases: readonly [on: string, event: Happening, isStarted: boolean][] = [
  ['push', { ref: 'refs/heads/x' }, true],
  ['[pull_request, push]', { ref: 'refs/tags/v1' }, true],
  ['pull_request', {}, false],
  ['{ push: { branches: [main] } }', {}, true],
  ['{ push: { branches: [main] } }', { ref: 'refs/heads/other' }, false],
  ['{ push: { branches: [main] } }', { ref: 'refs/tags/main' }, false],
  ["{ push: { branches: ['feature/**', '!feature/old/**'] } }", { ref: 'refs/heads/feature/a/b' }, true],
  ["{ push: { branches: ['feature/**', '!feature/old/**'] } }", { ref: 'refs/heads/feature/old/b' }, false],
  ["{ push: { branches: ['**', '!a/**', 'a/b'] } }", { ref: 'refs/heads/a/b' }, true],
  ["{ push: { branches: ['!a/**', '**'] } }", { ref: 'refs/heads/a/b' }, true],
  ['{ push: { branches-ignore: [wip] } }', { ref: 'refs/heads/wip' }, false],
  ['{ push: { branches-ignore: [wip] } }', {}, true],
  ["{ push: { tags: ['v*'] } }", { ref: 'refs/tags/v1.2' }, true],
  ["{ push: { tags: ['v*'] } }", { ref: 'refs/heads/v1.2' }, false],
  ["{ push: { paths: ['src/**'] } }", { changed: ['docs/a.md'] }, false],
  ["{ push: { paths: ['src/**'] } }", { changed: ['docs/a.md', 'src/x/y.ts'] }, true],
  ["{ push: { paths: ['src/**', '!src/x/**'] } }", { changed: ['src/x/y.ts'] }, false],
  ["{ push: { paths: ['src/**'] } }", { changed: [], ref: 'refs/tags/v1' }, true],
  ["{ push: { paths-ignore: ['docs/**'] } }", { changed: ['docs/a.md'] }, false],
  ["{ push: { paths-ignore: ['docs/**'] } }", { changed: ['docs/a.md', 'b'] }, true],
  ['pull_request', { name: 'pull_request', action: 'synchronize', baseRef: 'main' }, true],
  ['pull_request', { name: 'pull_request', action: 'labeled', baseRef: 'main' }, false],
  ['{ pull_request: { types: [labeled] } }', { name: 'pull_request', action: 'labeled', baseRef: 'main' }, true],
  [
    '{ pull_request: { branches: [main] } }',
    { name: 'pull_request', action: 'opened', baseRef: 'main', ref: 'refs/pull/7/merge' },
    true,
  ],
  [
    '{ pull_request: { branches: [main] } }',
    { name: 'pull_request', action: 'opened', baseRef: 'next', ref: 'refs/pull/7/merge' },
    false,
  ],
  [
    "{ pull_request: { paths: ['src/**'] } }",
    { name: 'pull_request', action: 'opened', baseRef: 'main', changed: ['docs/a.md'] },
    false,
  ],
  ['{ release: { types: [published] } }', { name: 'release', action: 'created', ref: 'refs/tags/v1' }, false],
  ['release', { name: 'release', action: 'created', ref: 'refs/tags/v1' }, true],
  ['{ repository_dispatch: { types: [deploy] } }', { name: 'repository_dispatch', action: 'deploy' }, true],
  ['{ repository_dispatch: { types: [deploy] } }', { name: 'repository_dispatch', action: 'test' }, false],
  [
    '{ workflow_run: { workflows: [CI], types: [completed], branches: [main] } }',
    { name: 'workflow_run', action: 'completed', ran: { workflow: 'CI', branch: 'main' } },
    true,
  ],
  [
    '{ workflow_run: { workflows: [CI], types: [completed], branches: [main] } }',
    { name: 'workflow_run', action: 'completed', ran: { workflow: 'CI', branch: 'next' } },
    false,
  ],
  [
    '{ workflow_run: { workflows: [CI], types: [completed] } }',
    { name: 'workflow_run', action: 'completed', ran: { workflow: 'Lint', branch: 'main' } },
    false,
  ],
]
test('pushes and events start the workflows whose filters they pass', async () => {
  const found = await Promise.all(cases.map(([on, event]) => isStarted(on, event)))
  assert.deepEqual(
    cases.map(([on, event], at) => [on, event, found[at]]),
    cases.map(([on, event, wanted]) => [on, event, wanted]),
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

import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { test } from 'node:test'
import { planCommit, workflowFor } from './index.ts'
import { publishedSchema } from './schema.ts'
import { examplesDirectory, exampleTexts } from './testing.ts'

const planExample = async (example: string) => {
  const texts = exampleTexts(example)
  return planCommit([...texts.keys()], async () => texts)
}

test('every example is one service that is planned without a problem', async () => {
  for (const { name: example } of readdirSync(examplesDirectory, { withFileTypes: true }).filter((one) =>
    one.isDirectory(),
  )) {
    const { services, refused } = await planExample(example)
    assert.deepEqual([example, services.map(({ path }) => path), refused], [example, ['.'], []])
  }
})

test("the mission's five lines are the Flask example's file, letter by letter", async () => {
  const file = exampleTexts('python-flask').get('headway.yaml')
  assert.equal(file, 'name: my-service\nlanguage: python\nport: 8000\ndatabase: postgres\nreplicas: 3\n')
})

test('each example starts by the command that its language chooses', async () => {
  const starts: Record<string, readonly string[]> = {}
  for (const example of ['node-postgres', 'python-flask', 'go', 'static'])
    starts[example] = (await planExample(example)).services[0]?.plan.start ?? []
  assert.deepEqual(starts, {
    'node-postgres': ['node', 'src/server.js'],
    'python-flask': ['python3', '.headway/wsgi.py', 'app:app'],
    go: ['bin/go-example'],
    static: ['node', '.headway/static-server.mjs', 'public'],
  })
})

test('the generated workflow of the Node.js example is this', async () => {
  const texts = exampleTexts('node-postgres')
  const { services } = await planExample('node-postgres')
  assert.equal(
    workflowFor(services, () => [...texts.keys()]),
    `# What headway.yaml stands for: headway explain shows it, headway eject workflow makes it yours to edit.
name: node-postgres
on:
  - push
  - pull_request
jobs:
  node-postgres:
    runs-on: ubuntu-latest
    timeout-minutes: 30
    env:
      CI: "true"
    steps:
      - uses: actions/checkout@v4
      - uses: actions/setup-node@v4
      - id: dependencies
        uses: headway/dependencies@v1
        with:
          language: node
          lockfile: package-lock.json
          folders: node_modules
          variant: development
      - name: Install
        if: steps.dependencies.outputs.cache-hit != 'true'
        run: npm ci --no-audit --no-fund
      - name: Test
        env:
          NODE_OPTIONS: --test-reporter=spec --test-reporter-destination=stdout --test-reporter=junit --test-reporter-destination=junit.xml
        run: npm test
`,
  )
})

test('the published schema is up to date (npm run schema writes it)', () => {
  const published = readFileSync(new URL('../../schema/headway.schema.json', import.meta.url), 'utf8')
  assert.equal(published, `${JSON.stringify(publishedSchema(), null, 2)}\n`)
})

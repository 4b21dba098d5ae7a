import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseWorkflow } from '../build/workflow/parse.ts'
import { detect, serviceFileFor } from './detect.ts'
import { folderOf, serviceFolders } from './discover.ts'
import { explain, explanationText, planCommit, workflowFor, workflowPath } from './index.ts'
import { exampleTexts, folder } from './testing.ts'

/** One repository that holds every example in a folder of its own. */
const everything = (): ReadonlyMap<string, string> =>
  new Map(
    ['node-postgres', 'python-flask', 'go', 'static'].flatMap((example) =>
      [...exampleTexts(example)].map(([path, text]): [string, string] => [`${example}/${path}`, text]),
    ),
  )

test('the generated workflow of several services is valid, with a job for each in its folder', async () => {
  const texts = everything()
  const paths = [...texts.keys()]
  const { services, refused } = await planCommit(paths, async () => texts)
  assert.deepEqual(refused, [])
  const text = workflowFor(services, (path) => folderOf(path, paths, texts).names)
  const parsed = parseWorkflow(workflowPath, text)
  assert.deepEqual(parsed.kind === 'invalid' ? parsed.faults : [], [])
  assert.deepEqual(parsed.kind === 'parsed' ? parsed.workflow.jobs.map(({ id }) => id) : [], [
    'go-example',
    'node-postgres',
    'my-service',
    'static-example',
  ])
  assert.match(text, /GOCACHE: \$\{\{ github\.workspace \}\}\/go\/\.headway\/go\/build/)
  assert.match(text, /working-directory: node-postgres\n/)
  assert.match(text, /lockfile: python-flask\/requirements\.txt\n\s+folders: python-flask\/\.headway\/python\n/)
})

test('services are found in every folder but those of installed packages', () => {
  const paths = [
    'headway.yaml',
    'b/headway.yaml',
    'a/deep/headway.yaml',
    'node_modules/x/headway.yaml',
    'a/vendor/y/headway.yaml',
  ]
  assert.deepEqual(serviceFolders([...paths, 'my-headway.yaml', 'headway.yaml.md']), ['.', 'a/deep', 'b'])
})

test('what a file stands for is shown with every default and command', async () => {
  const texts = exampleTexts('python-flask')
  const { services } = await planCommit([...texts.keys()], async () => texts)
  const [service] = services
  assert.ok(service)
  const text = explanationText(explain(service, () => [...texts.keys()]))
  for (const expected of [
    'readyTimeoutMs: 60000',
    'test: python3 -m unittest discover -s tests -t .',
    'start: python3 .headway/wsgi.py app:app',
    'DATABASE_URL: the postgres database of this service',
    '- uses: actions/setup-python@v5',
    '3 replicas',
  ])
    assert.ok(text.includes(expected), `${expected} is not in:\n${text}`)
})

test('headway init recognises the examples and writes files that mean the same', () => {
  const found = ['node-postgres', 'python-flask', 'go', 'static'].map((example) => {
    const texts = exampleTexts(example)
    const detected = detect(folderOf('.', [...texts.keys()], texts), example)
    return detected && serviceFileFor(detected)
  })
  assert.deepEqual(found, [
    'name: node-postgres\nlanguage: node\nport: 3000\ndatabase: postgres\nreplicas: 2\n',
    'name: python-flask\nlanguage: python\nport: 8000\ndatabase: postgres\nreplicas: 2\n',
    'name: go-example\nlanguage: go\nreplicas: 2\n',
    'name: static\nlanguage: static\nreplicas: 2\n',
  ])
})

test('headway init makes a valid name of any folder, and says when it knows no language', () => {
  const named = (name: string) => detect(folder({ 'index.html': null }), name)?.name
  assert.deepEqual(['My Shop!', '42', '-x-', 'a--b', '9lives'].map(named), [
    'my-shop',
    'my-service',
    'x',
    'a-b',
    'lives',
  ])
  assert.equal(detect(folder({ 'README.md': null }), 'x'), null)
})

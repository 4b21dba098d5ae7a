import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { CommitId, defaultProject } from '../names.ts'
import { environmentsRepository, platformProject } from './index.ts'
import { openTestDeploy } from './testing.ts'

const key = { project: platformProject, repository: environmentsRepository }
const shopFile = 'production/default/shop.yaml'
const main = 'refs/heads/main'

/** A live service, and what a push is told that changes these files (to nothing: null) and is not accepted yet. */
const begin = async (context: TestContext) => {
  const directory = mkdtempSync(join(tmpdir(), 'headway-pushed-'))
  const world = await openTestDeploy({
    directory,
    releases: { 'shop v1': {} },
    firstEnvironments: 'staging,production',
  })
  context.after(async () => {
    await world.close()
    rmSync(directory, { recursive: true, force: true })
  })
  await world.deploy.start()
  const head = async () => CommitId.parse((await world.git('rev-parse', 'main')).trim())
  const wished = [
    ...['release: sha256:', '0'.repeat(64), '\ncommit: ', 'a'.repeat(40)],
    '\nreplicas: 2\nenv: {}\nsecrets: []\n',
  ].join('')
  /** The commit that a push would bring; main stays where it is. */
  const proposed = async (files: Readonly<Record<string, string | null>>): Promise<CommitId> => {
    const before = await head()
    for (const [path, text] of Object.entries(files)) await world.pushByHand(path, text)
    const after = await head()
    await world.git('update-ref', main, before)
    return after
  }
  const told = async (files: Readonly<Record<string, string | null>>): Promise<string[]> =>
    world.deploy.pushed.examine(key, [{ ref: main, before: await head(), after: await proposed(files) }], {})
  return { ...world, head, wished, proposed, told }
}

test('a push that breaks files is told each with its place, and one that mends or leaves them is not', async (context) => {
  const world = await begin(context)
  const { told, wished } = world
  assert.deepEqual(await told({ [shopFile]: wished, 'README.md': 'ours\n' }), [])
  assert.deepEqual(
    await told({
      [shopFile]: wished.replace('replicas: 2', 'replcas: 2'),
      'production/default/blog.yaml': wished.replace('env: {}', 'env: ['),
      'producton/default/shop.yaml': wished,
    }),
    [
      'producton/default/shop.yaml:1:1: producton/default/shop.yaml is not <environment>/<project>/<service>.yaml with an environment of staging, production',
      'production/default/blog.yaml:5:1: Flow sequence in block collection must be sufficiently indented and end with a ]',
      '  next: mend production/default/blog.yaml in the environments repository and push it; until then what runs now stays',
      `${shopFile}:3:1: unknown key replcas`,
      `  next: did you mean replicas? mend ${shopFile} in the environments repository and push it; until then what runs now stays`,
      'the push is refused and nothing was changed',
    ],
  )
  // What came in another way and is broken already is not held against who changes something else.
  await world.pushByHand('staging/default/shop.yaml', wished.replace('replicas: 2', 'replicas: many'))
  assert.deepEqual(await told({ [shopFile]: wished }), [])
})

test('environment files are examined together: also a file that another one breaks', async (context) => {
  const { told } = await begin(context)
  const policy = 'promote: { from: staging, policy: aproval }\n'
  assert.deepEqual(await told({ 'production/environment.yaml': policy }), [
    'production/environment.yaml:1:35: promote.policy: expected automatic, soak, approval, found "aproval"',
    '  next: did you mean approval? mend production/environment.yaml in the environments repository and push it; until then what held before holds',
    'the push is refused and nothing was changed',
  ])
  assert.match(
    (await told({ 'staging/environment.yaml': null })).join('\n'),
    /production.*there is no environment staging/,
  )
  assert.deepEqual(
    await told({ 'qa/environment.yaml': 'promote: { from: staging }\n', 'qa/default/shop.yaml': null }),
    [],
  )
})

test('only main of the environments repository is examined, and who pushes there is told what it asks for', async (context) => {
  const world = await begin(context)
  const { examine, asked } = world.deploy.pushed
  const before = await world.head()
  const broken = await world.proposed({ [shopFile]: 'replicas: many\n' })
  assert.deepEqual(await examine(key, [{ ref: 'refs/heads/idea', before: null, after: broken }], {}), [])
  assert.deepEqual(await examine(key, [{ ref: main, before, after: null }], {}), [])
  assert.deepEqual(await examine({ ...key, project: defaultProject }, [{ ref: main, before, after: broken }], {}), [])
  const both = await world.proposed({ [shopFile]: world.wished, 'staging/default/shop.yaml': world.wished })
  assert.deepEqual(await asked(key, { ref: main, before, after: both }), [
    '  · shop in production: headway rollout shop shows how it goes',
    '  · shop in staging: headway rollout shop --environment staging shows how it goes',
  ])
  const policy = await world.proposed({ 'staging/environment.yaml': 'drift: report\n' })
  assert.deepEqual(await asked(key, { ref: main, before, after: policy }), [
    'read by Headway: headway environments shows what holds now',
  ])
})

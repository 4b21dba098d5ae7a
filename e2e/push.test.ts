import assert from 'node:assert/strict'
import { rmSync } from 'node:fs'
import { after, before, describe, test } from 'node:test'
import { exampleFiles } from './support/example.ts'
import { type Platform, startPlatform } from './support/platform.ts'

const missionFile = `name: my-service
language: python
port: 8000
database: postgres
replicas: 3
`

describe('a push', () => {
  let platform: Platform
  before(async () => {
    platform = await startPlatform()
  })
  after(() => platform.destroy())

  const pushed = async (name: string, files: Record<string, string>) => {
    const repository = await platform.repository(name, files)
    const outcome = await repository.push()
    rmSync(repository.directory, { recursive: true, force: true })
    return outcome
  }

  test('of the five lines of the mission with a Flask app is live with three replicas and reads its database', async () => {
    const outcome = await pushed('my-service', {
      ...exampleFiles('python-flask', 'my-service', 3),
      'headway.yaml': missionFile,
    })
    assert.match(
      outcome.output,
      new RegExp(`live at http://my-service\\.localhost:${platform.edgePort}/`),
      outcome.output,
    )
    const first = await platform.get('my-service.localhost')
    const second = await platform.get('my-service.localhost')
    assert.deepEqual([first.status, second.status], [200, 200])
    assert.notEqual(first.body, second.body, 'each visit is counted in the database')
    const instances = JSON.parse((await platform.headway('ps', '--json')).stdout)
    assert.deepEqual(
      instances
        .filter((one: { service: string }) => one.service === 'my-service')
        .map((one: { state: string }) => one.state),
      ['healthy', 'healthy', 'healthy'],
    )
  })

  for (const example of ['node', 'node-postgres', 'static'] as const) {
    test(`of the ${example} example is live`, async () => {
      const outcome = await pushed(example, exampleFiles(example, `an-${example}`, 2))
      assert.match(
        outcome.output,
        new RegExp(`live at http://an-${example}\\.localhost:${platform.edgePort}/`),
        outcome.output,
      )
      assert.equal((await platform.get(`an-${example}.localhost`)).status, 200)
    })
  }

  test('of the go example is live', async () => {
    const outcome = await pushed('go', exampleFiles('go', 'a-go', 2))
    assert.match(outcome.output, /live at http:\/\/a-go\.localhost/, outcome.output)
    assert.equal((await platform.get('a-go.localhost')).status, 200)
  })

  test('with -o async returns at once and is deployed all the same', async () => {
    const repository = await platform.repository('later', exampleFiles('node', 'later', 1))
    const outcome = await repository.push(['-o', 'async', 'main'])
    assert.equal(outcome.code, 0, outcome.output)
    assert.doesNotMatch(outcome.output, /live at/)
    const deadline = performance.now() + 60_000
    while ((await platform.get('later.localhost')).status !== 200)
      assert.ok(performance.now() < deadline, 'not live after a minute')
    rmSync(repository.directory, { recursive: true, force: true })
  })

  test('leaves a ledger that verifies and views that equal a rebuild', async () => {
    const verified = await platform.headway('ledger', 'verify', '--views')
    assert.equal(verified.code, 0, verified.stdout + verified.stderr)
  })
})

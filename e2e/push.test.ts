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

const healthyIn = async (platform: Platform, service: string): Promise<Record<string, number>> => {
  const listed = JSON.parse((await platform.headway('ps', '--json')).stdout)
  const found: Record<string, number> = {}
  for (const one of listed)
    if (one.service === service && one.state === 'healthy') found[one.environment] = (found[one.environment] ?? 0) + 1
  return found
}

/** Resolves once `headway status` says so; rejects with what it says after a minute. */
const showsCanaryAt = async (platform: Platform, weight: number): Promise<void> => {
  const deadline = performance.now() + 60_000
  for (;;) {
    const { stdout } = await platform.headway('status', 'my-service')
    if (stdout.includes(`canary at ${weight} %`)) return
    assert.ok(performance.now() < deadline, stdout)
  }
}

test('a push of the five lines of the mission is live in staging and then in production, each with a database of its own', async () => {
  const platform = await startPlatform({ environments: 'staging,production' })
  const files = { ...exampleFiles('python-flask', 'my-service', 3), 'headway.yaml': missionFile }
  const repository = await platform.repository('my-service', files)
  try {
    const { output } = await repository.push()
    const hosts = { staging: 'my-service.staging.localhost', production: 'my-service.localhost' }
    for (const [environment, host] of Object.entries(hosts)) {
      assert.match(output, new RegExp(`live in ${environment} at http://${host}:${platform.edgePort}/ in`), output)
      const visits = [await platform.get(host, '/?name=ada'), await platform.get(host, '/?name=ada')]
      assert.deepEqual(
        visits.map(({ status, body }) => [status, body]),
        [
          [200, 'Hello, ada! Visit number 1.\n'],
          [200, 'Hello, ada! Visit number 2.\n'],
        ],
        'each visit is counted in the database of its environment',
      )
    }
    assert.deepEqual(await healthyIn(platform, 'my-service'), { staging: 3, production: 3 })

    const commit = await repository.commit('Not watched for long', {
      'headway.yaml': `${missionFile}release: { watch: 0s }\n`,
    })
    const second = await repository.push()
    assert.match(second.output, /live in staging at/, second.output)
    assert.match(second.output, /production: with 10 % of the traffic, judged while it is used/, second.output)
    for (const weight of [10, 50]) {
      await showsCanaryAt(platform, weight)
      const promoted = await platform.headway('rollout', 'promote', 'my-service')
      assert.equal(promoted.code, 0, `at ${weight} %: ${promoted.stdout}${promoted.stderr}`)
    }
    const watched = await platform.headway('watch', commit)
    assert.match(watched.stdout, /live in production at/, watched.stdout)
    assert.equal(watched.code, 0, watched.stdout + watched.stderr)
  } finally {
    rmSync(repository.directory, { recursive: true, force: true })
    await platform.destroy()
  }
})

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

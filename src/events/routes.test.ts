import assert from 'node:assert/strict'
import { createHmac } from 'node:crypto'
import { test } from 'node:test'
import { openTestApi } from '../api/testing.ts'
import { ProjectName, ServiceName } from '../names.ts'
import { eventDoorRoutes } from './routes.ts'
import * as bodies from './sources/bodies.testing.ts'
import { addSource, openTestEvents, secret } from './testing.ts'

test('over HTTP a signed body is taken without a token, and an oversized or an unsigned one ends in no fact', async () => {
  await using opened = await openTestEvents()
  await using api = await openTestApi({ routes: [eventDoorRoutes(opened.events)] })
  await addSource(opened, 'github', { service: ServiceName.parse('shop') })
  const post = (body: string, signed: string) =>
    fetch(`${api.url}/api/v1/hooks/default/github`, {
      method: 'POST',
      body,
      headers: {
        ...{ 'content-type': 'application/json', 'x-github-event': 'deployment_status' },
        'x-hub-signature-256': `sha256=${createHmac('sha256', secret).update(signed).digest('hex')}`,
      },
    })
  const body = JSON.stringify(bodies.github.deploymentStatus)
  const large = JSON.stringify({ ...bodies.github.deploymentStatus, note: 'x'.repeat(5 * 1024 * 1024) })
  assert.equal((await post(large, large)).status, 413)
  assert.equal((await post(body, 'another')).status, 401)
  assert.deepEqual(await opened.told(/^(delivery|event\.)/), [])

  const taken = await post(body, body)
  assert.deepEqual(
    [taken.status, await taken.json()],
    [200, { outcome: 'recorded', events: 1, facts: 1, unplaced: [] }],
  )
  assert.equal((await opened.told(/^delivery/)).length, 1)

  const other = await api.token('operator', ProjectName.parse('other'))
  const mine = await api.token('operator', ProjectName.parse('default'))
  const record = { type: 'deployment', id: '1', service: 'shop', finishedAt: 1, outcome: 'succeeded' }
  assert.equal((await api.call(other, 'POST', '/api/v1/projects/default/events', record)).status, 403)
  assert.equal((await api.read(mine, 'POST', '/api/v1/projects/default/events', record)).facts, 1)
  const lines = await (await api.call(mine, 'GET', '/api/v1/projects/default/events')).text()
  for (const line of lines.trim().split('\n')) assert.equal(JSON.parse(line).specversion, '1.0')
})

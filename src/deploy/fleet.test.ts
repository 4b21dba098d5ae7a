import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { parseRouteTable } from '../agent/parse.ts'
import { defaultEnvironment, defaultProject, ServiceName } from '../names.ts'
import { createFleet } from './fleet.ts'
import { diskRuntime } from './testing.ts'

test('a route with copies for a shadow is the one wanted as the agent gives it back', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'headway-fleet-'))
  try {
    const runtime = diskRuntime(directory)
    const fleet = createFleet(runtime)
    const target = { project: defaultProject, service: ServiceName.parse('shop'), environment: defaultEnvironment }
    const pools = [{ version: 'v1', weight: 1, instances: ['a.1'] }]
    const mirror = { version: 'v2', instances: ['b.1'], share: 1, methods: ['GET'] }
    const overrides = [{ in: 'header', name: 'x-version', value: 'canary', version: 'v2' }] as const
    const affinity = { cookie: 'version', seconds: 60 }
    fleet.serve({ target, hosts: ['shop.localhost'], edge: null, pools, mirror, overrides, affinity })
    await fleet.route()
    const given = parseRouteTable(JSON.parse(JSON.stringify(await runtime.routes())))
    assert.equal(fleet.isRouted(target, given), true)
    const other = { ...given, routes: given.routes.map((route) => ({ ...route, mirror: { ...mirror, share: 0.5 } })) }
    assert.equal(fleet.isRouted(target, other), false)
  } finally {
    rmSync(directory, { recursive: true, force: true })
  }
})

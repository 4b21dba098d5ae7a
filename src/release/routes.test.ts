import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { join } from 'node:path'
import { test } from 'node:test'
import { openTestApi } from '../api/testing.ts'
import { rolloutJudged, rolloutStarted } from '../deploy/facts.ts'
import type { JudgePlan } from '../deploy/judging.ts'
import { fact } from '../ledger/fact.ts'
import { defaultEnvironment, defaultProject, ProjectName, ServiceName } from '../names.ts'
import { releaseRoutes } from './routes.ts'
import { fakeEdge, openReleaseRoom, service, startedOf } from './testing.ts'

const plan: JudgePlan = { alpha: 0.01, tolerance: 0, latency: true, thresholds: [] }

const rolledBack = async (room: Awaited<ReturnType<typeof openReleaseRoom>>) => {
  const target = {
    ...{ deployment: 'deployment-1', project: defaultProject, service: ServiceName.parse('shop') },
    environment: defaultEnvironment,
  }
  const about = { subject: 'deployment:deployment-1', actor: 'system:deploy' }
  const edge = fakeEdge('a')
  room.edges.push(edge)
  await room.ledger.append([fact(rolloutStarted, { ...about, payload: startedOf(target, plan) })])
  await room.release.judging.begin('deployment-1', plan, { service, baseline: 'sha256:old', canary: 'sha256:new' })
  edge.serve('sha256:old', 950, 1)
  edge.serve('sha256:new', 50, 8)
  room.clock.forward(1000)
  const judgement = await room.release.judging.look('deployment-1')
  const { evidence } = await room.release.judging.conclude('deployment-1')
  const payload = { ...target, step: 0, ...judgement, evidence }
  await room.ledger.append([fact(rolloutJudged, { ...about, payload })])
  return { judgement, evidence }
}

const headway = (
  url: string,
  token: string,
  words: readonly string[],
): Promise<{ code: number | null; said: string }> =>
  new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [join(import.meta.dirname, '../main.ts'), ...words], {
      env: { PATH: process.env.PATH, HEADWAY_SERVER: url, HEADWAY_TOKEN: token },
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    let said = ''
    child.stdout.on('data', (chunk: Buffer) => {
      said += chunk.toString('utf8')
    })
    child.once('error', reject)
    child.once('close', (code) => resolve({ code, said }))
  })

test('why a release was undone is told to those of its project, with the evidence byte for byte', async () => {
  await using room = await openReleaseRoom()
  await using api = await openTestApi({ routes: [releaseRoutes(room.release)] })
  const { judgement, evidence } = await rolledBack(room)
  const token = await api.token('viewer', null)
  const why = '/api/v1/projects/default/rollouts/deployment-1/why'
  const { verdicts, series, now } = await api.read(token, 'GET', why)
  assert.deepEqual(
    verdicts.map(({ at: _, seq: __, ...one }: Record<string, unknown>) => one),
    [{ ...judgement, step: 0, evidence, recomputed: { kind: 'agrees', judgement: null } }],
  )
  assert.deepEqual([series.length, now.verdict], [1, 'fail'])

  const document = await api.call(token, 'GET', `/api/v1/projects/default/rollouts/deployment-1/evidence/${evidence}`)
  const digest = createHash('sha256')
    .update(await document.text())
    .digest('hex')
  assert.equal(`sha256:${digest}`, evidence)

  const elsewhere = ProjectName.parse('blog')
  for (const path of [
    '/api/v1/projects/default/rollouts/deployment-2/why',
    `/api/v1/projects/${elsewhere}/rollouts/deployment-1/why`,
    `/api/v1/projects/${elsewhere}/rollouts/deployment-1/evidence/${evidence}`,
    `/api/v1/projects/default/rollouts/deployment-1/evidence/sha256:${'0'.repeat(64)}`,
  ])
    assert.equal((await api.call(token, 'GET', path)).status, 404, path)
})

test('headway rollout why prints the numbers and that they were recomputed', async () => {
  await using room = await openReleaseRoom()
  await using api = await openTestApi({ routes: [releaseRoutes(room.release)] })
  const { evidence } = await rolledBack(room)
  const { code, said } = await headway(api.url, await api.token('viewer', null), ['rollout', 'why', 'deployment-1'])
  assert.equal(code, 0)
  assert.match(said, /^shop in production deployment-1\n {2}stopped by chance at most once in 100 releases/)
  assert.match(
    said,
    /\nfail at step 1, .*\n {2}errors: 16 % \(8 of 50\) of the new version, 0\.11 % \(1 of 950\) of the old/,
  )
  assert.match(said, /\nerrors +16 % \(8 of 50\) +0\.11 % \(1 of 950\) +[0-9.]+ to any +10\^\d+ to 1\n/)
  assert.ok(said.endsWith(`recomputed from evidence ${evidence.slice(7, 19)}: the same to the last digit\n`), said)
})

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { openTestApi } from '../api/testing.ts'
import { csvRoutes } from './csv-routes.ts'
import type { Span } from './dora/calendar.ts'

const now = Date.UTC(2026, 5, 1)

test('a table is asked for in the words of the answer it is of, and is sent as text that is no page', async () => {
  const asked: Span[] = []
  const none = () => assert.fail('nobody asked for it')
  const learn = {
    ...{ dora: none, flow: none, calms: none, now: () => now },
    toil: async (project: string, span: Span) => {
      asked.push(span)
      const candidates = [{ what: '=1+1', source: 'logged' as const, times: 1, minutes: 1 }]
      const counts = { minutes: 1, entries: 1, hoursPerWeek: null, share: null, line: 0.5, pagesPerWeek: 0 }
      return { ...{ project, span, candidates, log: [] }, ...counts }
    },
  }
  await using api = await openTestApi({ routes: [csvRoutes(learn)] })
  const path = '/api/v1/projects/default/insights/toil/csv?since=2026-01-01&until=2026-01-03'
  const answer = await api.call(await api.token('viewer', null), 'GET', `${path}&zone=Europe/Berlin`)
  assert.equal(await answer.text(), 'what,source,times,minutes\n"\'=1+1",logged,1,1\n')
  assert.equal(answer.headers.get('content-type'), 'text/csv; charset=utf-8')
  assert.deepEqual(asked, [{ from: Date.UTC(2025, 11, 31, 23), until: Date.UTC(2026, 0, 2, 23) }])
  const bad = await api.read(await api.token('viewer', null), 'GET', `${path}&zone=Mars/Olympus`)
  assert.deepEqual([bad.status, bad.type], [400, 'urn:headway:problem:unknown-time-zone'])
  assert.equal((await api.call(null, 'GET', path)).status, 401)
})

import { hc } from 'hono/client'
import type { passkeyRoutes } from '../../src/access/passkeys/routes.ts'
import type { accessRoutes } from '../../src/access/routes.ts'
import type { sessionRoutes } from '../../src/access/sessions/routes.ts'
import type { ledgerRoutes } from '../../src/api/ledger-routes.ts'
import type { actionRoutes } from '../../src/build/actions/routes.ts'
import type { requestRoutes } from '../../src/build/request-routes.ts'
import type { resultsRoutes } from '../../src/build/results/routes.ts'
import type { buildRoutes } from '../../src/build/routes.ts'
import type { runnerRoutes } from '../../src/build/runners/routes.ts'
import type { changeRoutes } from '../../src/code/changes/routes.ts'
import type { codeRoutes } from '../../src/code/routes.ts'
import type { environmentRoutes } from '../../src/deploy/environment-routes.ts'
import type { glanceRoutes } from '../../src/deploy/glance-routes.ts'
import type { migrationRoutes } from '../../src/deploy/migrations/routes.ts'
import type { previewRoutes } from '../../src/deploy/previews/routes.ts'
import type { rolloutRoutes } from '../../src/deploy/rollout-routes.ts'
import type { deployRoutes } from '../../src/deploy/routes.ts'
import type { eventDoorRoutes } from '../../src/events/routes.ts'
import type { calmsRoutes } from '../../src/learn/calms/routes.ts'
import type { csvRoutes } from '../../src/learn/csv-routes.ts'
import type { digestRoutes } from '../../src/learn/digest/routes.ts'
import type { flowRoutes } from '../../src/learn/flow/routes.ts'
import type { incidentRoutes } from '../../src/learn/incidents/routes.ts'
import type { learnRoutes } from '../../src/learn/routes.ts'
import type { surveyRoutes } from '../../src/learn/survey/routes.ts'
import type { toilRoutes } from '../../src/learn/toil/routes.ts'
import type { alertRoutes } from '../../src/monitor/alerts/routes.ts'
import type { monitorRoutes } from '../../src/monitor/routes.ts'
import type { operateRoutes } from '../../src/operate/routes.ts'
import type { packageRoutes } from '../../src/package/routes.ts'
import type { promotionRoutes } from '../../src/release/promotion/routes.ts'
import type { releaseRoutes } from '../../src/release/routes.ts'
import type { testRoutes } from '../../src/test/routes.ts'
import { Refusal, refusalOf } from './refusal.ts'

export const base = '/api/v1'

/** The API by its own types: what a route answers is what its schema says, or this does not compile. One client for each room. */
export const api = {
  access: hc<ReturnType<typeof accessRoutes>>(base),
  session: hc<ReturnType<typeof sessionRoutes>>(base),
  passkeys: hc<ReturnType<typeof passkeyRoutes>>(base),
  code: hc<ReturnType<typeof codeRoutes>>(base),
  changes: hc<ReturnType<typeof changeRoutes>>(base),
  build: hc<ReturnType<typeof buildRoutes>>(base),
  requests: hc<ReturnType<typeof requestRoutes>>(base),
  results: hc<ReturnType<typeof resultsRoutes>>(base),
  actions: hc<ReturnType<typeof actionRoutes>>(base),
  runners: hc<ReturnType<typeof runnerRoutes>>(base),
  tests: hc<ReturnType<typeof testRoutes>>(base),
  packages: hc<ReturnType<typeof packageRoutes>>(base),
  promotion: hc<ReturnType<typeof promotionRoutes>>(base),
  deploy: hc<ReturnType<typeof deployRoutes>>(base),
  glance: hc<ReturnType<typeof glanceRoutes>>(base),
  migrations: hc<ReturnType<typeof migrationRoutes>>(base),
  rollout: hc<ReturnType<typeof rolloutRoutes>>(base),
  release: hc<ReturnType<typeof releaseRoutes>>(base),
  monitor: hc<ReturnType<typeof monitorRoutes>>(base),
  alerts: hc<ReturnType<typeof alertRoutes>>(base),
  environments: hc<ReturnType<typeof environmentRoutes>>(base),
  previews: hc<ReturnType<typeof previewRoutes>>(base),
  insights: hc<ReturnType<typeof learnRoutes>>(base),
  digest: hc<ReturnType<typeof digestRoutes>>(base),
  flow: hc<ReturnType<typeof flowRoutes>>(base),
  toil: hc<ReturnType<typeof toilRoutes>>(base),
  csv: hc<ReturnType<typeof csvRoutes>>(base),
  calms: hc<ReturnType<typeof calmsRoutes>>(base),
  surveys: hc<ReturnType<typeof surveyRoutes>>(base),
  incidents: hc<ReturnType<typeof incidentRoutes>>(base),
  door: hc<ReturnType<typeof eventDoorRoutes>>(base),
  operate: hc<ReturnType<typeof operateRoutes>>(base),
  ledger: hc<ReturnType<typeof ledgerRoutes>>(base),
}

type Answered<Body> = { readonly ok: boolean; readonly status: number; json(): Promise<Body>; text(): Promise<string> }

/** The answer's body. Rejects with a Refusal: what, where, what next; or that nobody answered. */
export const answer = async <Body>(call: Promise<Answered<Body>>): Promise<Body> => (await answered(call)).json()

/** The same of an answer without a body, or whose body is text. */
export const answerText = async (call: Promise<Answered<unknown>>): Promise<string> => (await answered(call)).text()

const answered = async <Body>(call: Promise<Answered<Body>>): Promise<Answered<Body>> => {
  const response = await call.catch((cause: unknown) => {
    throw new Refusal({ kind: 'unreachable', status: 0, detail: '', next: null }, { cause })
  })
  if (!response.ok) throw refusalOf(response.status, await response.text())
  return response
}

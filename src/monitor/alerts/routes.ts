import { OpenAPIHono, z } from '@hono/zod-openapi'
import { type ApiEnv, json, route } from '../../api/route.ts'
import { targetLabel } from '../../deploy/index.ts'
import { isFact, type RecordedFact } from '../../ledger/fact.ts'
import { ProjectName } from '../../names.ts'
import { alertActed, alertFired, alertResolved } from './facts.ts'
import { type Alerts, describeValue } from './index.ts'

const AlertBody = z
  .object({
    service: z.string(),
    environment: z.string(),
    name: z.string(),
    when: z.string(),
    do: z.array(z.string()),
    /** `pending`: it holds, but not yet for long enough. */
    state: z.enum(['firing', 'pending', 'quiet', 'no data']),
    since: z.number().nullable(),
    /** What was seen and done of late, newest first. */
    events: z.array(z.object({ at: z.number(), event: z.string(), detail: z.string() })),
  })
  .meta({ id: 'Alert' })
type AlertBody = z.infer<typeof AlertBody>

const eventsShown = 20

/** What is watched, and what came of it. */
export const alertRoutes = (alerts: Pick<Alerts, 'views' | 'history'>) =>
  new OpenAPIHono<ApiEnv>().openapi(
    route(
      { role: 'viewer', in: 'project' },
      {
        method: 'get',
        path: '/projects/{project}/alerts',
        request: { params: z.object({ project: ProjectName }) },
        responses: { 200: json(z.array(AlertBody), 'Every alert of services that run, as they stand.') },
      },
    ),
    async (context) => {
      const { project } = context.req.valid('param')
      const mine = alerts.views().filter(({ target }) => target.project === project)
      const histories = new Map<string, RecordedFact[]>()
      for (const { target } of mine)
        if (!histories.has(targetLabel(target))) histories.set(targetLabel(target), await alerts.history(target, 200))
      const bodies = mine.map(({ target, rule, state, since }): AlertBody => {
        const events = (histories.get(targetLabel(target)) ?? []).flatMap((one) => eventOf(one, rule.name))
        const { service, environment } = target
        const { name, when, actions } = rule
        return { service, environment, name, when, do: actions, state, since, events: events.slice(0, eventsShown) }
      })
      return context.json(bodies, 200)
    },
  )

const eventOf = (recorded: RecordedFact, name: string): AlertBody['events'] => {
  const { at } = recorded
  if (isFact(alertFired, recorded) && recorded.payload.name === name) {
    const seen = recorded.payload.values.map(({ metric, value }) => `${metric} ${describeValue(metric, value)}`)
    return [{ at, event: 'fired', detail: seen.join(', ') }]
  }
  if (isFact(alertActed, recorded) && recorded.payload.name === name) {
    const { action, to, outcome, detail } = recorded.payload
    return [{ at, event: `${action} ${outcome}`, detail: to === null ? detail : `${to}: ${detail}` }]
  }
  if (isFact(alertResolved, recorded) && recorded.payload.name === name)
    return [{ at, event: 'resolved', detail: recorded.payload.detail }]
  return []
}

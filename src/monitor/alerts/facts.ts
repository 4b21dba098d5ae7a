import { z } from 'zod'
import { defineFact } from '../../ledger/fact.ts'
import { EnvironmentName, ProjectName, ServiceName } from '../../names.ts'

const about = {
  /** One firing, from its beginning to its end. */
  alert: z.string(),
  project: ProjectName,
  service: ServiceName,
  environment: EnvironmentName,
  name: z.string(),
}
const Action = z.enum(['halt', 'rollback', 'notify'])

/** Subject of all three: `alert:<project>/<service>/<environment>`. */
export const alertFired = defineFact(
  'alert.fired',
  1,
  z.object({
    ...about,
    when: z.string(),
    /** The deployment that was in progress. */
    deployment: z.string().nullable(),
    /** What the condition was judged by: `error_rate_5m`, as a share; times in milliseconds. */
    values: z.array(z.object({ metric: z.string(), value: z.number().nullable() })),
    actions: z.array(Action),
  }),
)
/** What was done about it. A notification is named by the host or the program only: addresses may hold secrets. */
export const alertActed = defineFact(
  'alert.acted',
  1,
  z.object({
    ...about,
    event: z.enum(['fired', 'resolved']),
    action: Action,
    /** Which of the rule's notifications. */
    place: z.number().int(),
    to: z.string().nullable(),
    outcome: z.enum(['done', 'failed']),
    detail: z.string(),
  }),
)
export const alertResolved = defineFact(
  'alert.resolved',
  1,
  z.object({ ...about, firedAt: z.number(), detail: z.string() }),
)

export const alertFacts = [alertFired, alertActed, alertResolved] as const

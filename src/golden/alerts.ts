import { z } from 'zod'
import { ConditionError, parseCondition } from './condition.ts'

/** Who is told, besides the ledger. */
export const NotifyTarget = z.discriminatedUnion('kind', [
  z.strictObject({
    kind: z.literal('webhook'),
    /** Where: an address, or the name of a secret that holds one. */
    url: z.string(),
    /** The name of the secret by which it is signed; null: not signed. */
    secret: z.string().nullable(),
  }),
  z.strictObject({ kind: z.literal('command'), argv: z.array(z.string()).min(1) }),
])
export type NotifyTarget = z.infer<typeof NotifyTarget>

/** One alert of a service or an environment, every default filled in. */
export const AlertRule = z.strictObject({
  name: z.string(),
  when: z.string(),
  /** For how long it must hold without a break before the alert fires. */
  forMs: z.number().min(0),
  actions: z.array(z.enum(['halt', 'rollback', 'notify'])),
  notify: z.array(NotifyTarget),
})
export type AlertRule = z.infer<typeof AlertRule>

const condition = z
  .string({ error: 'expected a condition such as error_rate_5m > 2 % and deployment_in_progress' })
  .trim()
  .superRefine((text, context) => {
    try {
      parseCondition(text)
    } catch (error) {
      if (!(error instanceof ConditionError)) throw error
      context.addIssue({ code: 'custom', message: error.message })
    }
  })

const secretName = z.string().regex(/^[A-Za-z_][A-Za-z0-9_]{0,127}$/, 'expected the name of a secret such as ALERT_KEY')
const expectedUrl = 'expected an address such as https://hooks.example.com/x, or the name of a secret that holds one'
const isAddress = (text: string): boolean => /^https?:$/.test(URL.parse(text)?.protocol ?? '')
const isSecretName = (text: string): boolean => secretName.safeParse(text).success

const webhook = z.strictObject({
  webhook: z
    .string({ error: expectedUrl })
    .max(2000)
    .refine((text) => isAddress(text) || isSecretName(text), expectedUrl)
    .describe('An address, or the name of a secret that holds one.'),
  secret: secretName.optional().describe('The name of the secret that signs it (headway secret set).'),
})
const command = z.strictObject({
  command: z
    .array(z.string().min(1).max(1000), { error: 'expected a program and its arguments, such as [notify, team]' })
    .min(1)
    .max(50)
    .describe('A program and its arguments; no shell. It reads the alert as JSON from its standard input.'),
})

const alertKey = <Target extends z.ZodType>(target: Target) =>
  z
    .array(
      z.strictObject({
        name: z.string().trim().min(1).max(100).optional().describe('Default: the condition.'),
        when: condition.describe('error_rate_5m > 2 % and deployment_in_progress'),
        for: z
          .string()
          .regex(/^[0-9]{1,5}[smh]$/, 'expected a time such as 30s, 5m or 1h')
          .optional()
          .describe('How long it must hold before the alert fires. Default 0s.'),
        do: z
          .array(z.enum(['halt', 'rollback', 'notify']))
          .min(1)
          .max(3)
          .describe('halt pauses the rollout, rollback undoes it, notify tells somebody.'),
        notify: z.array(target).max(10).optional().describe('Who is told by notify.'),
      }),
    )
    .max(50)
    .refine(
      (rules) => new Set(rules.map(({ name, when }) => name ?? when)).size === rules.length,
      'expected a name of its own for each alert',
    )
    .refine(
      (rules) => rules.every((rule) => rule.do.includes('notify') === (rule.notify ?? []).length > 0),
      'expected notify: [{ webhook: ... }] where do has notify, and only there',
    )

/** `alerts:` of a headway.yaml. A command would run on Headway's own machine, so only an environment may have one. */
export const ServiceAlerts = alertKey(webhook)
/** `alerts:` of an environment.yaml: for every service that runs there. */
export const EnvironmentAlerts = alertKey(z.union([webhook, command]))

/** The rules that a list of alerts stands for. */
export const defineAlerts = (alerts: z.infer<typeof EnvironmentAlerts>): AlertRule[] =>
  alerts.map(({ name, when, for: time = '0s', do: actions, notify = [] }) => ({
    name: name ?? when,
    when,
    forMs: Number(time.slice(0, -1)) * (unitMs[time.slice(-1)] ?? 1000),
    actions: [...new Set(actions)],
    notify: notify.map((target) =>
      'command' in target
        ? { kind: 'command', argv: target.command }
        : { kind: 'webhook', url: target.webhook, secret: target.secret ?? null },
    ),
  }))

const unitMs: Readonly<Record<string, number>> = { s: 1000, m: 60_000, h: 3_600_000 }

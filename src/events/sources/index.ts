import { z } from 'zod'
import { flawsIn } from '../../api/flaws.ts'
import { Problem } from '../../problem.ts'
import type { Told } from '../records.ts'
import { anyOf, authorization, bodyHmac, type Check, pagerDuty, plainToken, standardWebhook } from '../signatures.ts'
import type { Reading, SourceKind } from './reading.ts'

type Kind = {
  /** How its deliveries show that they come from it. */
  readonly check: Check
  /** What it says; loaded when its first delivery comes. Null: CDEvents, which are read by themselves. */
  readonly read: (() => Promise<Reading>) | null
}

const bearer = anyOf(authorization, standardWebhook)

export const kinds: Readonly<Record<SourceKind, Kind>> = {
  github: { check: bodyHmac('x-hub-signature-256'), read: async () => (await import('./github.ts')).readGitHub },
  gitlab: {
    check: anyOf(plainToken('x-gitlab-token'), standardWebhook),
    read: async () => (await import('./gitlab.ts')).readGitLab,
  },
  jenkins: { check: bearer, read: async () => (await import('./jenkins.ts')).readJenkins },
  argocd: { check: bearer, read: async () => (await import('./argocd.ts')).readArgoCd },
  flux: { check: bodyHmac('x-signature'), read: async () => (await import('./flux.ts')).readFlux },
  alertmanager: { check: bearer, read: async () => (await import('./alertmanager.ts')).readAlertmanager },
  pagerduty: { check: pagerDuty, read: async () => (await import('./pagerduty.ts')).readPagerDuty },
  cdevents: { check: anyOf(bearer, bodyHmac('x-signature')), read: null },
  plain: {
    check: anyOf(bearer, bodyHmac('x-signature')),
    read: async () => (await import('./plain.ts')).readPlain,
  },
}

/** Parses with the place of what is wrong: a body that is not as its system documents it is refused. */
export const readBody = (read: Reading, delivery: Parameters<Reading>[0]): Told => {
  try {
    return read(delivery)
  } catch (error) {
    if (!(error instanceof z.ZodError)) throw error
    const flaws = flawsIn(error.issues)
    throw new Problem({
      kind: 'invalid-event',
      status: 400,
      detail: flaws
        .slice(0, 5)
        .map(({ path, said }) => (path ? `${path}: ${said}` : said))
        .join('; '),
      where: { path: flaws[0]?.path || 'body' },
      next: 'headway events sources list says of which kind the source is, docs/events.md what each kind sends',
    })
  }
}

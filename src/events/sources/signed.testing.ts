import { createHmac } from 'node:crypto'
import { signatureOf } from '../../webhook.ts'
import { secret } from '../testing.ts'
import type { SourceKind } from './reading.ts'

export const hex = (body: string, key = secret): string => createHmac('sha256', key).update(body).digest('hex')

const standard = (body: string, nowMs: number): Record<string, string> => {
  const seconds = Math.floor(nowMs / 1000)
  return {
    'webhook-id': 'msg-1',
    'webhook-timestamp': String(seconds),
    'webhook-signature': signatureOf(secret, 'msg-1', seconds, body),
  }
}

/** How each system shows that it is the one. */
export const signed: Readonly<Record<SourceKind, (body: string, nowMs: number) => Record<string, string>>> = {
  github: (body) => ({ 'x-hub-signature-256': `sha256=${hex(body)}` }),
  gitlab: () => ({ 'x-gitlab-token': secret }),
  jenkins: () => ({ authorization: `Basic ${Buffer.from(`headway:${secret}`).toString('base64')}` }),
  argocd: () => ({ authorization: `Bearer ${secret}` }),
  flux: (body) => ({ 'x-signature': `sha256=${hex(body)}` }),
  alertmanager: () => ({ authorization: `Bearer ${secret}` }),
  pagerduty: (body) => ({ 'x-pagerduty-signature': `v1=${hex(body, 'another')},v1=${hex(body)}` }),
  cdevents: () => ({ authorization: `Bearer ${secret}` }),
  plain: standard,
}

import type { Incident } from '../../api/learn-queries.ts'
import { t } from '../../texts/en.ts'
import { Badge, type Tone } from '../../ui/parts.tsx'

export type State = keyof typeof t.incidents.state
type Known = Pick<Incident, 'isDismissed' | 'resolvedAt' | 'mitigatedAt' | 'acknowledgedAt'>

/** How far it has come. */
export const stateOf = ({ isDismissed, resolvedAt, mitigatedAt, acknowledgedAt }: Known): State => {
  if (isDismissed) return 'dismissed'
  if (resolvedAt !== null) return 'resolved'
  if (mitigatedAt !== null) return 'mitigated'
  return acknowledgedAt === null ? 'open' : 'acknowledged'
}

const tones: Readonly<Record<State, Tone>> = {
  open: 'bad',
  acknowledged: 'wait',
  mitigated: 'busy',
  resolved: 'good',
  dismissed: 'calm',
}

export const StateBadge = ({ of }: { of: Known }) => {
  const state = stateOf(of)
  return <Badge tone={tones[state]}>{t.incidents.state[state]}</Badge>
}

/** Where it comes from: Headway's own words, or the name of another system. */
export const sourceName = (source: string): string =>
  Object.entries(t.incidents.source).find(([name]) => name === source)?.[1] ?? source

import type { Refusal } from './refusal.ts'

/** What whoever runs an edge by itself may look at: it has a file of routes and a log, and neither deployments nor instances' logs. */
const lookHere: Readonly<Record<string, string>> = {
  'unknown-host': 'Check the address and its path. Whoever runs the edge finds hosts and only in its file of routes.',
  'no-healthy-instance':
    'Try again in a few seconds. Whoever runs the edge sees in its file of routes where this leads.',
  'instance-unreachable':
    'Try again. Whoever runs the edge finds by the id of the request in edge-access.log which address that was, and whether something listens there.',
  'answer-unusable': 'Whoever runs the edge finds by the id of the request in edge-access.log which instance that was.',
  'answer-late':
    'Try again later. Whoever runs the edge finds by the id of the request in edge-access.log which instance that was; timeout in its file of routes says how long is waited.',
}

/** The same refusal, as an edge says it that stands alone. */
export const asSaidAlone = (refusal: Refusal): Refusal => {
  const next = lookHere[refusal.kind]
  if (next === undefined) return refusal
  return { ...refusal, next, detail: refusal.detail.replace('No service is reachable as', 'No route leads from') }
}

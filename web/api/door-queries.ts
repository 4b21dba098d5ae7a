import { queryOptions } from '@tanstack/react-query'
import type { InferResponseType } from 'hono/client'
import { answer, api } from './client.ts'

/* What comes from other systems and goes to them. Told events are recorded as facts; how far somebody was told is not, so it is asked again. */
const here = api.door.projects[':project']
const param = (project: string) => ({ param: { project } })

export const subscriptions = (project: string) =>
  queryOptions({
    queryKey: ['door', project, 'subscriptions'],
    queryFn: () => answer(here['event-subscriptions'].$get(param(project))),
    refetchInterval: 5_000,
  })
export type Subscription = InferResponseType<(typeof here)['event-subscriptions']['$get'], 200>[number]

export const deadLetters = (project: string, subscription: string) =>
  queryOptions({
    queryKey: ['door', project, 'dead', subscription],
    queryFn: () => answer(here['event-subscriptions'][':subscription'].dead.$get({ param: { project, subscription } })),
    refetchInterval: 5_000,
  })

export const sources = (project: string) =>
  queryOptions({
    queryKey: ['door', project, 'sources'],
    queryFn: () => answer(here['event-sources'].$get(param(project))),
  })
export type Source = InferResponseType<(typeof here)['event-sources']['$get'], 200>[number]

export const received = (project: string) =>
  queryOptions({
    queryKey: ['door', project, 'received'],
    queryFn: () => answer(here.events.received.$get(param(project))),
  })

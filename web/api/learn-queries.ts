import { queryOptions } from '@tanstack/react-query'
import type { InferResponseType } from 'hono/client'
import { answer, answerText, api } from './client.ts'

/*
 * What is asked of insights, incidents and previews; the first word of each key says what facts make it old (live.ts).
 */
const here = api.insights.projects[':project'].insights

/** What a question is about: the services (none: all of the project as a blend), where, and of which time: moments, or days of a zone. */
export type Asked = {
  readonly project: string
  readonly service: string | undefined
  readonly environment: string
  readonly since: number | string
  readonly until: number | string | undefined
  /** The viewer's own where nothing is said. */
  readonly zone?: string
}
const time = ({ since, until, zone: named = zone() }: Pick<Asked, 'since' | 'until' | 'zone'>) => ({
  since: String(since),
  ...(until === undefined ? {} : { until: String(until) }),
  zone: named,
})
const said = ({ service, environment, ...rest }: Asked) => ({
  environment,
  ...(service === undefined ? {} : { service }),
  ...time(rest),
})

export const zone = (): string => Intl.DateTimeFormat().resolvedOptions().timeZone

export type Bucket = 'day' | 'week' | 'month' | 'quarter' | 'year'
export const dora = (asked: Asked, bucket: Bucket) =>
  queryOptions({
    queryKey: ['insights', asked.project, 'dora', asked, bucket],
    queryFn: () => answer(here.dora.$get({ param: { project: asked.project }, query: { ...said(asked), bucket } })),
    placeholderData: (before) => before,
  })
export type Dora = InferResponseType<typeof here.dora.$get, 200>
export type Figures = Dora['total']

/** How long after a deployment an incident is suspected to come from it. */
export const attributionWindow = (project: string) =>
  queryOptions({
    queryKey: ['insights', project, 'attribution-window'],
    queryFn: () => answer(here['attribution-window'].$get({ param: { project } })),
  })

/** What was deployed where, here or elsewhere. */
export const learnedServices = (project: string) =>
  queryOptions({
    queryKey: ['insights', project, 'services'],
    queryFn: () => answer(here.services.$get({ param: { project } })),
  })

export const behinds = ['all', 'failed', 'suspected', 'open', 'rework', 'pending', 'dropped'] as const
export type Behind = (typeof behinds)[number]
export const learned = (asked: Asked, behind: Behind, limit = 50) =>
  queryOptions({
    queryKey: ['insights', asked.project, 'deployments', asked, behind, limit],
    queryFn: () =>
      answer(
        here.deployments.$get({
          param: { project: asked.project },
          query: { ...said(asked), behind, limit: String(limit) },
        }),
      ),
    placeholderData: (before) => before,
  })
export type Learned = InferResponseType<typeof here.deployments.$get, 200>[number]

export const learnedDeployment = (project: string, deployment: string) =>
  queryOptions({
    queryKey: ['insights', project, 'deployment', deployment],
    queryFn: () => answer(here.deployment.$get({ param: { project }, query: { deployment } })),
  })
export type LearnedDetail = InferResponseType<typeof here.deployment.$get, 200>

const incidentsHere = api.incidents.projects[':project'].incidents
export const incidents = (project: string, state: 'open' | 'all') =>
  queryOptions({
    queryKey: ['incidents', project, state],
    queryFn: () => answer(incidentsHere.$get({ param: { project }, query: { state, limit: '200' } })),
  })
export type Incident = InferResponseType<typeof incidentsHere.$get, 200>[number]
/** What a deployment brought where. */
export type Version = Pick<NonNullable<Incident['version']>, 'service' | 'revision' | 'commit'>

/** Names from elsewhere hold slashes, which the client leaves as they are. */
export const ofIncident = (project: string, incident: string) => ({ project, incident: encodeURIComponent(incident) })
export const incident = (project: string, name: string) =>
  queryOptions({
    queryKey: ['incidents', project, 'one', name],
    queryFn: () => answer(incidentsHere[':incident'].$get({ param: ofIncident(project, name) })),
  })
export type IncidentStory = InferResponseType<(typeof incidentsHere)[':incident']['$get'], 200>

export const previews = (project: string) =>
  queryOptions({
    queryKey: ['previews', project],
    queryFn: () => answer(api.previews.projects[':project'].previews.$get({ param: { project } })),
  })
export type Preview = InferResponseType<(typeof api.previews.projects)[':project']['previews']['$get'], 200>[number]

export const preview = (project: string, repository: string, number: number) =>
  queryOptions({
    queryKey: ['previews', project, repository, number],
    queryFn: () =>
      answer(
        api.previews.projects[':project'].repositories[':repository'].changes[':number'].preview.$get({
          param: { project, repository, number: String(number) },
        }),
      ),
  })

export const previewRules = (project: string) =>
  queryOptions({
    queryKey: ['previews', project, 'rules'],
    queryFn: () => answer(api.previews.projects[':project']['preview-rules'].$get({ param: { project } })),
  })

const flowHere = api.flow.projects[':project'].insights.flow
/** Where the time of changes goes. */
export const flow = (asked: Asked, bucket: Bucket) =>
  queryOptions({
    queryKey: ['insights', asked.project, 'flow', asked, bucket],
    queryFn: () => answer(flowHere.$get({ param: { project: asked.project }, query: { ...said(asked), bucket } })),
    placeholderData: (before) => before,
  })
export type Flow = InferResponseType<typeof flowHere.$get, 200>

const toilHere = api.toil.projects[':project'].insights.toil
/** Work by hand, and what of it is done again and again. */
export const toil = ({ project, ...asked }: Pick<Asked, 'project' | 'since' | 'until' | 'zone'>) =>
  queryOptions({
    queryKey: ['insights', project, 'toil', asked],
    queryFn: () => answer(toilHere.$get({ param: { project }, query: time(asked) })),
    placeholderData: (before) => before,
  })
export type Toil = InferResponseType<typeof toilHere.$get, 200>

const calmsHere = api.calms.projects[':project'].insights.calms
/** How a team works: measured where it can be, asked where it must be. */
export const calms = (asked: Asked) =>
  queryOptions({
    queryKey: ['insights', asked.project, 'calms', asked],
    queryFn: () => answer(calmsHere.$get({ param: { project: asked.project }, query: said(asked) })),
    placeholderData: (before) => before,
  })
export type Calms = InferResponseType<typeof calmsHere.$get, 200>

const csvHere = api.csv.projects[':project'].insights
/** An answer as a table for spreadsheets. */
export const csvAs = (what: 'dora' | 'flow' | 'calms' | 'toil', asked: Asked, bucket: Bucket): Promise<string> => {
  const param = { project: asked.project }
  if (what === 'toil') return answerText(csvHere.toil.csv.$get({ param, query: time(asked) }))
  if (what === 'dora') return answerText(csvHere.dora.csv.$get({ param, query: { ...said(asked), bucket } }))
  return answerText(csvHere[what].csv.$get({ param, query: said(asked) }))
}

export const surveys = (project: string) =>
  queryOptions({
    queryKey: ['surveys', project],
    queryFn: () => answer(api.surveys.projects[':project'].surveys.$get({ param: { project } })),
  })
export type Survey = InferResponseType<(typeof api.surveys.projects)[':project']['surveys']['$get'], 200>[number]

const digestHere = api.digest.projects[':project'].insights
/** What the seven days until then came to. */
export const digest = (project: string, until: number) =>
  queryOptions({
    queryKey: ['insights', project, 'digest', until],
    queryFn: () =>
      answer(digestHere.digest.$get({ param: { project }, query: { until: String(until), zone: zone() } })),
    placeholderData: (before) => before,
  })
export const digestSchedule = (project: string) =>
  queryOptions({
    queryKey: ['insights', project, 'digest-schedule'],
    queryFn: () => answer(digestHere['digest-schedule'].$get({ param: { project } })),
  })

import { z } from 'zod'
import type { RecordedFact } from '../../ledger/fact.ts'
import { type CdEvent, specVersion, versioned } from '../cdevents/check.ts'

export type Telling = {
  /** Where the API of this Headway is reached: the source of its events. */
  readonly serverUrl: string
  /** The first fact about the same thing, where a later one leaves out what it is. */
  readonly first: RecordedFact | null
}

/** The payloads of facts by the fields that CDEvents has a word for; whatever else they hold goes along in customData. */
const fields = {
  project: z.string(),
  repository: z.string(),
  service: z.string(),
  environment: z.string(),
  ref: z.string(),
  before: z.string().nullable(),
  after: z.string().nullable(),
  number: z.number(),
  run: z.string(),
  job: z.string(),
  jobName: z.string(),
  name: z.string(),
  conclusion: z.string(),
  outcome: z.string(),
  release: z.string(),
  digest: z.string(),
  commit: z.string(),
  revision: z.string(),
  kind: z.string(),
  key: z.string(),
  state: z.string(),
  workflow: z.string(),
  reason: z.string(),
  incident: z.string(),
  title: z.string(),
  push: z.string(),
  event: z.string(),
  deployment: z.string(),
  totals: z.object({ failed: z.number() }),
}
const Payload = z.object(fields).partial()
type Payload = z.infer<typeof Payload>

/** What a fact is in the words of CDEvents: `service.deployed`, its subject and its content. */
type Word = { readonly kind: string; readonly id: string; readonly content: Record<string, unknown> }

/**
 * A fact as a CDEvent of v0.5.1, valid by its schema. One that CDEvents has no word for is a custom event:
 * `dev.cdeventsx.headway-<noun>.<what happened>`. The fact itself, as the ledger shows it, is in customData.
 */
export const cdEventOf = (fact: RecordedFact, { serverUrl, first }: Telling): CdEvent => {
  const own = parse(fact.payload)
  const whole: Payload = { ...parse(first?.payload), ...own }
  const source = whole.project === undefined ? serverUrl : `${serverUrl}/projects/${whole.project}`
  const word = wordOf(fact.type, own, whole, serverUrl)
  const chain = whole.push ?? whole.event ?? whole.run ?? whole.deployment ?? whole.incident ?? null
  const links = fact.causes.map((seq) => ({ linkType: 'PATH', from: { contextId: `fact-${seq}` } }))
  return {
    context: {
      ...{ specversion: specVersion, id: `fact-${fact.seq}`, source },
      type: word ? versioned(word.kind) : customType(fact.type),
      timestamp: new Date(fact.at).toISOString(),
      ...(chain === null ? {} : { chainId: chain }),
      ...(links.length === 0 ? {} : { links }),
    },
    subject: { id: word?.id ?? fact.subject, source, content: word?.content ?? {} },
    customData: { headway: { ...fact, causes: [...fact.causes] } },
    customDataContentType: 'application/json',
  }
}

/** `promotion.approval-refused` is `dev.cdeventsx.headway-promotion.approvalrefused.0.1.0`. */
export const customType = (type: string): string => {
  const [noun = '', verb = ''] = type.split(/\.(.*)/s).map((part) => part.replace(/[^a-zA-Z]/g, ''))
  return `dev.cdeventsx.headway-${noun}.${verb}.0.1.0`
}

/** Field by field, so that one which is null or of another kind takes no other with it. */
const parse = (payload: unknown): Payload => {
  const object = z.record(z.string(), z.unknown()).safeParse(payload).data ?? {}
  const known = Object.entries(fields).filter(([name, schema]) => schema.safeParse(object[name]).success)
  return Payload.parse(Object.fromEntries(known.map(([name]) => [name, object[name]])))
}

const wordOf = (type: string, own: Payload, whole: Payload, serverUrl: string): Word | null => {
  if (/^(repository|ref|change)\./.test(type)) return codeWord(type, own, serverUrl)
  if (/^(run|job)\./.test(type)) return runWord(type, own, whole, serverUrl)
  if (/^(tests|release)\./.test(type)) return resultWord(type, own)
  if (/^(deployment|service|environment)\./.test(type)) return deployWord(type, own, whole)
  if (/^incident\./.test(type)) return incidentWord(type, whole)
  return /^delivery\./.test(type) ? deliveryWord(type, own) : null
}

const changeVerbs = new Map([
  ['change.opened', 'created'],
  ['change.updated', 'updated'],
  ['change.approved', 'reviewed'],
  ['change.merged', 'merged'],
  ['change.abandoned', 'abandoned'],
])

const codeWord = (type: string, own: Payload, serverUrl: string): Word | null => {
  const { project, repository, number, ref, before, after } = own
  if (!project || !repository) return null
  const inRepository = { repository: { id: repository } }
  if (type === 'repository.created') {
    const uri = `${serverUrl}/git/${project}/${repository}.git`
    return { kind: type, id: repository, content: { name: repository, uri } }
  }
  if (type === 'ref.updated') {
    const branch = /^refs\/heads\/(.+)$/.exec(ref ?? '')?.[1]
    const kind = before === null ? 'branch.created' : after === null ? 'branch.deleted' : null
    return branch && kind ? { kind, id: branch, content: inRepository } : null
  }
  const verb = changeVerbs.get(type)
  return verb && number !== undefined
    ? { kind: `change.${verb}`, id: `${repository}/${number}`, content: inRepository }
    : null
}

const runWord = (type: string, own: Payload, whole: Payload, serverUrl: string): Word | null => {
  const { project, run, name } = whole
  if (!run) return null
  const outcome = outcomeOf(own.conclusion)
  const id = `${run}/${own.job ?? ''}`
  const task = { taskName: own.name ?? own.job ?? '', pipelineRun: { id: run } }
  const uri = `${serverUrl}/api/v1/projects/${project ?? 'default'}/runs/${run}`
  const pipeline = { pipelineName: name ?? run, uri }
  switch (type) {
    case 'job.started':
      return { kind: 'taskrun.started', id, content: task }
    case 'job.finished':
      return { kind: 'taskrun.finished', id, content: { ...task, outcome } }
    case 'run.queued':
      return { kind: 'pipelinerun.queued', id: run, content: pipeline }
    case 'run.started':
      return { kind: 'pipelinerun.started', id: run, content: pipeline }
    case 'run.finished':
      return { kind: 'pipelinerun.finished', id: run, content: { ...pipeline, outcome } }
    default:
      return null
  }
}

const resultWord = (type: string, { run, job, jobName, totals, service, digest, commit }: Payload): Word | null => {
  if (type === 'release.created' && service && digest && commit)
    return { kind: 'artifact.packaged', id: image(service, digest), content: { change: { id: commit } } }
  if (type !== 'tests.reported' || !run || !totals) return null
  const outcome = totals.failed === 0 ? 'success' : 'failure'
  const content = { environment: { id: 'ci' }, testSuite: { id: jobName ?? job ?? run }, outcome }
  return { kind: 'testsuiterun.finished', id: `${run}/${job ?? ''}`, content }
}

const outcomeOf = (conclusion: string | undefined): string =>
  /^succe(ss|eded)$/.test(conclusion ?? '') ? 'success' : /^fail(ure|ed)$/.test(conclusion ?? '') ? 'failure' : 'cancel'

/** A package URL of an image. */
const image = (service: string, digest: string): string => `pkg:oci/${service}@${encodeURIComponent(digest)}`

const deployWord = (type: string, own: Payload, whole: Payload): Word | null => {
  const { service, environment, release, outcome } = own
  if (type === 'service.removed') return service ? { kind: type, id: service, content: {} } : null
  if (type === 'environment.defined' || type === 'environment.removed') {
    const kind = type === 'environment.removed' ? 'environment.deleted' : 'environment.modified'
    return environment ? { kind, id: environment, content: { name: environment } } : null
  }
  const hadTraffic = outcome === 'succeeded' || outcome === 'rolled-back'
  if (type !== 'deployment.finished' || !service || !environment || !release || !hadTraffic) return null
  const isBack = outcome === 'rolled-back' || whole.reason === 'rollback'
  const content = { environment: { id: environment }, artifactId: image(service, release) }
  return { kind: isBack ? 'service.rolledback' : 'service.deployed', id: service, content }
}

const incidentWord = (type: string, { incident, environment, service, title }: Payload): Word | null => {
  const kind = type === 'incident.opened' ? 'incident.detected' : type === 'incident.resolved' ? type : null
  if (!kind || !incident || !environment) return null
  const description = title ? { description: title } : {}
  const content = { ...description, environment: { id: environment }, ...(service ? { service: { id: service } } : {}) }
  return { kind, id: incident, content }
}

const deliveryStates = new Map([
  ['opened', 'change.created'],
  ['reviewed', 'change.reviewed'],
  ['approved', 'change.reviewed'],
  ['merged', 'change.merged'],
  ['closed', 'change.abandoned'],
])

const deliveryWord = (type: string, own: Payload): Word | null => {
  const { key, service, environment, outcome, kind, revision, state, repository, workflow } = own
  if (!key) return null
  if (type === 'delivery.run') {
    const content = { pipelineName: workflow ?? key, outcome: outcomeOf(outcome) }
    return { kind: 'pipelinerun.finished', id: key, content }
  }
  if (type === 'delivery.change') {
    const word = deliveryStates.get(state ?? '')
    return word ? { kind: word, id: key, content: repository ? { repository: { id: repository } } : {} } : null
  }
  if (type !== 'delivery.deployed' || !service || !environment || outcome !== 'succeeded') return null
  const artifactId = `pkg:generic/${service}@${encodeURIComponent(revision ?? 'unknown')}`
  const content = { environment: { id: environment }, artifactId }
  return { kind: kind === 'rollback' ? 'service.rolledback' : 'service.deployed', id: service, content }
}

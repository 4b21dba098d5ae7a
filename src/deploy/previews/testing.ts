import { buildFacts, workflowEventConcluded } from '../../build/facts.ts'
import { changeAbandoned, changeMerged, changeOpened, changeTestRequested, changeUpdated } from '../../code/facts.ts'
import type { ServiceDefinition } from '../../golden/service.ts'
import { fact, isFact } from '../../ledger/fact.ts'
import { defaultProject, RepositoryName, ServiceName } from '../../names.ts'
import { changePackaged } from '../../package/facts.ts'
import { commitOf, digestOf, eventually, fakeReleases, openTestDeploy, type TestDeployOptions } from '../testing.ts'
import { previewBegun, previewSubject } from './facts.ts'
import { createPreviews, previewView } from './index.ts'
import type { PreviewStatus } from './preview.ts'

/**
 * Previews over a real ledger, a real repository of environments and a runtime of files; opened again in the same directory, they are as they
 * were left. Changes, their checks and packaging are facts that the test records.
 */
export const openTestPreviews = async (options: TestDeployOptions & { readonly now?: () => number }) => {
  const world = await openTestDeploy({
    ...options,
    views: [previewView, ...(options.views ?? [])],
    facts: [...buildFacts, ...(options.facts ?? [])],
  })
  const discarded: string[] = []
  const { ledger, views, store, deploy } = world
  const previews = createPreviews({
    ...{ ledger, views, store },
    clock: {
      now: options.now ?? (() => Date.now()),
      monotonicMs: () => performance.now(),
      sleep: (_ms, signal) =>
        new Promise((_, reject) => signal?.addEventListener('abort', () => reject(signal.reason))),
    },
    releases: fakeReleases(options.releases),
    roleOf: async (user) => (user === 'ada' ? 'developer' : 'viewer'),
    deployment: deploy.queries.deployment,
    urlOf: deploy.urlOf,
    takeDown: deploy.takeDown,
    discardDatabase: async ({ service, environment }) => {
      discarded.push(`${service} in ${environment}`)
    },
    collect: async () => undefined,
    onError: (message) => world.errors.push(message),
  })
  const project = defaultProject
  const keyOf = (number: number, name = 'shop') => ({ project, repository: RepositoryName.parse(name), number })
  const aboutChange = (key: ReturnType<typeof keyOf>) => ({
    subject: `change:${key.project}/${key.repository}/${key.number}`,
    actor: 'user:ada',
  })

  /** Its merge result has passed, in this version of the change. */
  const pass = async (key: ReturnType<typeof keyOf>, version: number): Promise<string> => {
    const event = `event-${key.repository}-${key.number}-${version}`
    const commit = commitOf(event)
    const test = { version, event, base: commit, candidate: commit, method: 'merge', purpose: 'change' } as const
    await ledger.append([
      fact(changeTestRequested, { ...aboutChange(key), payload: { ...key, ...test, changesChecks: false } }),
      fact(workflowEventConcluded, {
        subject: `event:${event}`,
        actor: 'system:build',
        payload: { event, ...key, commit, conclusion: 'success', runs: [], failure: null },
      }),
    ])
    return event
  }

  /** What packaging answers to the newest beginning: these releases (`shop v2`), or why there is none. */
  const pack = async (key: ReturnType<typeof keyOf>, words: readonly string[], failure?: string): Promise<void> => {
    const subject = previewSubject(key)
    const newest = async () =>
      (await ledger.read({ subject })).findLast((one) => isFact(previewBegun, one) || isFact(changePackaged, one))
    await eventually(async () => (await newest())?.type === previewBegun.type)
    const begun = (await newest())?.seq ?? 0
    const ofService = (text: string) => ({ service: ServiceName.parse(text.split(' ')[0]), path: '.' })
    const packaged = words.map((text) => ({ ...ofService(text), digest: digestOf(text), sizeBytes: 1 }))
    const failed = failure ? [{ ...ofService('shop'), detail: failure, lastLines: ['no such module'], next: null }] : []
    const payload = { begun, ...key, commit: commitOf('any'), packaged, failed }
    await ledger.append([fact(changePackaged, { subject, actor: 'system:package', payload })])
  }

  const stateOf = async (number: number, name = 'shop') => previews.read(keyOf(number, name))
  return {
    ...world,
    previews,
    discarded,
    keyOf,
    pass,
    pack,
    stateOf,
    open: async (number: number, user: string | null = 'ada', name = 'shop'): Promise<ReturnType<typeof keyOf>> => {
      const key = keyOf(number, name)
      const head = commitOf(`head of ${number}`)
      const heads = { branch: `branch-${number}`, target: 'main', head, base: head, reverts: null }
      const people = { user, pusher: `user:${user}`, author: user ?? 'nobody' }
      await ledger.append([fact(changeOpened, { ...aboutChange(key), payload: { ...key, ...heads, ...people } })])
      return key
    },
    push: async (number: number, version: number, user: string | null = 'ada'): Promise<void> => {
      const key = keyOf(number)
      const head = commitOf(`head of ${number}, version ${version}`)
      const pushed = { version, head, base: head, user, push: `push-${number}-${version}`, forced: false }
      await ledger.append([fact(changeUpdated, { ...aboutChange(key), payload: { ...key, ...pushed } })])
      await pass(key, version)
    },
    end: async (number: number, how: 'merged' | 'closed'): Promise<void> => {
      const key = keyOf(number)
      const head = commitOf(`head of ${number}`)
      const merged = {
        version: 1,
        head,
        target: 'main',
        before: head,
        after: head,
        method: 'merge',
        user: 'ada',
      } as const
      const event = `event-end-${number}`
      await ledger.append([
        how === 'merged'
          ? fact(changeMerged, { ...aboutChange(key), payload: { ...key, ...merged, event } })
          : fact(changeAbandoned, { ...aboutChange(key), payload: { ...key, why: 'no more', event } }),
      ])
    },
    until: (number: number, status: PreviewStatus, name = 'shop'): Promise<void> =>
      eventually(async () => (await stateOf(number, name)).status === status),
    untilHeld: (number: number): Promise<void> => eventually(async () => (await stateOf(number)).held !== null),
    start: async (): Promise<void> => {
      await deploy.start()
      await previews.start()
    },
    close: async (): Promise<void> => {
      await previews.stop()
      await world.close()
    },
  }
}
export type TestPreviews = Awaited<ReturnType<typeof openTestPreviews>>

/** A service that is small enough for everything but what a test is about. */
export const small: Partial<ServiceDefinition> = { replicas: 1 }

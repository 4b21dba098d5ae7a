import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Identity } from '../../access/access.ts'
import { lazily } from '../../lazily.ts'
import type { JobServices } from '../jobs/job.ts'
import { isJobToken, isResultsPath } from './door.ts'
import type { Results, ResultsParts } from './services.ts'

/** The services of jobs, loaded when the first job, or somebody who asks for what one has left, needs them. */
export type LazyResults = {
  readonly services: JobServices
  /** Who a job's token speaks for; null when it counts no more, or is no such token. */
  identify(token: string): Promise<Identity | null>
  /** Whether a path is answered here rather than by the API. */
  isAt(url: string): boolean
  handle(request: IncomingMessage, response: ServerResponse): Promise<void>
  open(): Promise<Results>
  /** Tidies now and then until it aborts; rejects then. */
  keepTidy(stopping: AbortSignal, onError: (error: unknown) => void): Promise<never>
}

const firstTidyMs = 5 * 60_000
const tidyEveryMs = 60 * 60_000

export const lazyResults = (parts: ResultsParts): LazyResults => {
  const open = lazily(async () => (await import('./services.ts')).openResults(parts))
  return {
    open,
    services: {
      certificate: parts.certificate ?? null,
      tokenFor: async (order) => (await open()).tokenFor(order),
      variablesFor: async (order, serverUrl) => (await open()).variablesFor(order, serverUrl),
    },
    identify: async (token) => (isJobToken(token) ? (await open()).identify(token) : null),
    isAt: isResultsPath,
    handle: async (request, response) => (await open()).handle(request, response),
    keepTidy: async (stopping, onError) => {
      await parts.clock.sleep(firstTidyMs, stopping)
      for (;;) {
        await open()
          .then((results) => results.tidy())
          .catch(onError)
        await parts.clock.sleep(tidyEveryMs, stopping)
      }
    },
  }
}

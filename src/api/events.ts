import type { Identity } from '../access/access.ts'
import type { Clock } from '../clock.ts'
import type { RecordedFact } from '../ledger/fact.ts'
import type { Ledger } from '../ledger/ledger.ts'
import { Problem } from '../problem.ts'
import type { Visibility } from './visibility.ts'

const heartbeatMs = 15_000
/** A client that takes nothing for so long is dropped; it comes back with the last id that it has seen. */
const patienceMs = 30_000
const batch = 200
const mostStreams = 500

export type EventStreams = {
  /** Facts after a sequence number as server-sent events, as they come, until the token ends or the client goes. */
  open(options: {
    after: number
    types: readonly string[] | undefined
    /** Asked before each batch: a token may have been revoked meanwhile. */
    identify(): Promise<Identity | null>
    /** Called when the client is dropped because it does not read. */
    drop(): void
  }): ReadableStream<Uint8Array>
  close(): void
}

/**
 * The ledger itself is the buffer: the next facts are read when the client has taken those before, so a slow one holds one batch and no
 * more.
 */
export const createEventStreams = (options: { ledger: Ledger; clock: Clock; visibility: Visibility }): EventStreams => {
  const { ledger, clock, visibility } = options
  const closing = new AbortController()
  let streams = 0

  return {
    open: ({ after, types, identify, drop }) => {
      if (streams >= mostStreams) throw tooManyStreams()
      streams += 1
      const ending = new AbortController()
      let patience = new AbortController()
      let seen = after
      let news = Promise.withResolvers<void>()
      const stopListening = ledger.onAppend(() => news.resolve())
      const end = (): void => {
        if (ending.signal.aborted) return
        streams -= 1
        stopListening()
        ending.abort()
        patience.abort()
        closing.signal.removeEventListener('abort', end)
      }
      closing.signal.addEventListener('abort', end)

      /** The next thing to say; null when there is nothing more to be said, ever. */
      const next = async (): Promise<string | null> => {
        while (!ending.signal.aborted) {
          news = Promise.withResolvers()
          const identity = await identify()
          if (!identity) return null
          const facts = await ledger.read({ after: seen, limit: batch, ...(types ? { types } : {}) })
          seen = facts.at(-1)?.seq ?? seen
          const visible: RecordedFact[] = []
          for (const fact of facts) if (await visibility.maySee(identity, fact)) visible.push(fact)
          if (visible.length > 0) return visible.map(eventOf).join('')
          if (facts.length > 0) continue
          const beat = await heartbeat(news.promise)
          if (beat) return ': still here\n\n'
        }
        return null
      }

      const heartbeat = async (awaited: Promise<void>): Promise<boolean> => {
        const waiting = new AbortController()
        const over = AbortSignal.any([waiting.signal, ending.signal])
        const quiet = clock.sleep(heartbeatMs, over).then(
          () => true,
          () => false,
        )
        const beat = await Promise.race([awaited.then(() => false), quiet])
        waiting.abort()
        return beat
      }

      const watch = (): void => {
        patience = new AbortController()
        clock.sleep(patienceMs, patience.signal).then(
          () => {
            end()
            drop()
          },
          () => undefined,
        )
      }

      return new ReadableStream<Uint8Array>(
        {
          start: (controller) => controller.enqueue(bytes('retry: 2000\n\n')),
          pull: async (controller) => {
            patience.abort()
            const said = await next().catch((error: unknown) => {
              end()
              throw error
            })
            if (said === null) {
              end()
              controller.close()
              return
            }
            controller.enqueue(bytes(said))
            watch()
          },
          cancel: end,
        },
        { highWaterMark: 1 },
      )
    },
    close: () => closing.abort(),
  }
}

const eventOf = (fact: RecordedFact): string =>
  `id: ${fact.seq}\nevent: ${fact.type}\ndata: ${JSON.stringify(fact)}\n\n`

const encoder = new TextEncoder()
const bytes = (text: string): Uint8Array => encoder.encode(text)

const tooManyStreams = (): Problem =>
  new Problem({
    kind: 'too-many-streams',
    status: 503,
    detail: `${mostStreams} others follow the events already`,
    next: 'try again in a while, or read /api/v1/ledger from time to time',
  })

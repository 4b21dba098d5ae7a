import type { Seal } from '../access/access.ts'
import type { Clock, Ids } from '../clock.ts'
import type { Home } from '../home.ts'
import type { RecordedFact } from '../ledger/fact.ts'
import type { Ledger, Views } from '../ledger/ledger.ts'
import type { Digest, ProjectName } from '../names.ts'
import { describeError, Problem } from '../problem.ts'
import type { Stage } from '../stage.ts'
import type { Store } from '../store/store.ts'
import { createBook, type SourceWish, type Subscription } from './book.ts'
import { createCommits } from './commits.ts'
import type { EventDoor, Request } from './door.ts'
import { eventsFacts } from './facts.ts'
import { type Courier, subscriptionKey } from './out/courier.ts'
import { createOutbox } from './out/outbox.ts'
import { createShelf } from './shelf.ts'
import { type EventsTables, eventsView } from './views.ts'

export { eventsFacts } from './facts.ts'
export type { Receipt } from './receive.ts'
export { eventsMigrations } from './tables.ts'
export { eventsView } from './views.ts'

export type EventsOptions = {
  readonly home: Pick<Home, 'blobs'>
  readonly store: Store
  readonly ledger: Ledger
  readonly views: Pick<Views, 'reach'>
  readonly clock: Clock
  readonly ids: Ids
  readonly seal: Seal
  readonly serverUrl: string
  report(message: string): void
}

/** What came is kept as it came for as long as anybody may ask what a figure is made of. */
const keptMs = 400 * 24 * 3_600_000
const sweepMs = 24 * 3_600_000
const shown = 200
const batch = 500

/** The door to other systems: what they tell becomes facts, and what happens here is told to those who asked for it. */
export const createEvents = (options: EventsOptions) => {
  const { home, store, ledger, views, clock, serverUrl, report } = options
  const book = createBook(options)
  const shelf = createShelf(home)
  const outbox = createOutbox(store)
  const db = store.tables<EventsTables>()
  const closing = new AbortController()
  const followed = new Map<string, { readonly ending: AbortController; readonly done: Promise<void> }>()
  let sweeping: Promise<void> = Promise.resolve()
  let door: Promise<EventDoor> | undefined
  let telling: Promise<Courier> | undefined

  /** The readers of all formats are loaded when somebody comes. */
  const openDoor = (): Promise<EventDoor> => {
    door ??= (async () => {
      const [{ createEventDoor }, { createReceiver }] = await Promise.all([import('./door.ts'), import('./receive.ts')])
      const receiver = createReceiver({ ledger, views, commits: createCommits(db), shelf, clock })
      return createEventDoor({ book, receiver, clock })
    })()
    return door
  }

  const storyteller = async () => {
    const { createStory } = await import('./out/story.ts')
    return createStory({ ledger, shelf, serverUrl })
  }

  const courier = (): Promise<Courier> => {
    telling ??= (async () => {
      const { createCourier } = await import('./out/courier.ts')
      return createCourier({ ledger, book, outbox, clock, story: await storyteller(), report })
    })()
    return telling
  }

  const follow = async (subscription: Subscription): Promise<void> => {
    const key = subscriptionKey(subscription)
    const ending = new AbortController()
    const signal = AbortSignal.any([ending.signal, closing.signal])
    const done = (await courier()).follow(subscription, signal).catch((error: unknown) => {
      if (!signal.aborted) report(`telling ${key}: ${describeError(error)}`)
    })
    followed.set(key, { ending, done })
  }
  const leave = async (key: string): Promise<void> => {
    const one = followed.get(key)
    one?.ending.abort()
    await one?.done
    followed.delete(key)
  }

  const sweep = async (): Promise<void> => {
    while (!closing.signal.aborted) {
      await clock.sleep(sweepMs, closing.signal).catch(() => undefined)
      if (closing.signal.aborted) return
      await shelf
        .forgetBefore(clock.now() - keptMs)
        .catch((error: unknown) => report(`forgetting what was received: ${describeError(error)}`))
    }
  }

  return {
    name: 'events',
    facts: eventsFacts,
    views: [eventsView],
    /** What a source sends, signed as its system signs. */
    deliver: async (project: ProjectName, source: string, request: Request) =>
      (await openDoor()).deliver(project, source, request),
    /** What somebody with a token tells. */
    tell: async (project: ProjectName, source: string, request: Request, by: string) =>
      (await openDoor()).tell(project, source, request, by),

    sources: async (project: ProjectName) => {
      await views.reach()
      return book.sources(project)
    },
    setSource: (project: ProjectName, name: string, wish: SourceWish, secret: string | null, by: string) =>
      book.setSource(project, name, wish, secret, by),
    removeSource: book.removeSource,
    /** What came of late, newest first. */
    received: async (project: ProjectName) => {
      await views.reach()
      const rows = db.selectFrom('events_received').selectAll().where('project', '=', project)
      return rows.orderBy('seq', 'desc').limit(shown).execute()
    },
    /** The bytes of something that this project was told; null: it was not, or they are gone. */
    body: async (project: ProjectName, digest: Digest): Promise<Buffer | null> => {
      await views.reach()
      const rows = db.selectFrom('events_received').select('seq').where('project', '=', project)
      const row = await rows.where('digest', '=', digest).executeTakeFirst()
      return row ? shelf.get(digest) : null
    },

    subscriptions: async (project: ProjectName) => {
      await views.reach()
      const all = await book.subscriptions(project)
      return Promise.all(
        all.map(async (one) => {
          const key = subscriptionKey(one)
          const position = await outbox.position(key, one.after)
          return { ...one, position, dead: (await outbox.dead(key, 1_000)).length }
        }),
      )
    },
    /** Setting one anew begins it anew: at `after`, or at what comes next. */
    subscribe: async (...[project, name, wish, by]: Parameters<typeof book.subscribe>) => {
      await leave(subscriptionKey({ project, subscription: name }))
      await outbox.forget(subscriptionKey({ project, subscription: name }))
      const made = await book.subscribe(project, name, wish, by)
      await views.reach()
      await follow(await book.subscription(project, name))
      return made
    },
    unsubscribe: async (project: ProjectName, name: string, by: string): Promise<void> => {
      await book.unsubscribe(project, name, by)
      await leave(subscriptionKey({ project, subscription: name }))
      await outbox.forget(subscriptionKey({ project, subscription: name }))
    },
    dead: async (project: ProjectName, name: string) =>
      outbox.dead(subscriptionKey(await book.subscription(project, name)), 1_000),
    /** Tells it all again that came after a fact. */
    replayFrom: async (project: ProjectName, name: string, after: number): Promise<void> => {
      const subscription = await book.subscription(project, name)
      if (after > (await ledger.head()).seq) throw notThere(after)
      await leave(subscriptionKey(subscription))
      const begun = { seq: after, attempts: 0, retry_at: null, detail: null, is_failing: 0 }
      await outbox.move(subscriptionKey(subscription), begun)
      await follow(subscription)
    },
    /** Sends what nobody took once more; resolves to how many were taken. */
    resend: async (project: ProjectName, name: string, only: number | null = null): Promise<number> =>
      (await courier()).resend(await book.subscription(project, name), only, closing.signal),

    /** Everything that a viewer of the project may see after a fact, as it would be told to a subscriber. */
    export: async function* (
      project: ProjectName,
      after: number,
    ): AsyncGenerator<{ readonly seq: number; body: string }> {
      const story = await storyteller()
      const head = (await ledger.head()).seq
      let facts: RecordedFact[] = await ledger.read({ after, limit: batch })
      while (facts.length > 0) {
        for (const fact of facts) {
          const told = fact.seq <= head ? await story(project, fact) : null
          if (told) yield { seq: fact.seq, body: told.body }
        }
        const last = facts.at(-1)?.seq ?? head
        facts = last < head ? await ledger.read({ after: last, limit: batch }) : []
      }
    },

    start: async (): Promise<void> => {
      await book.tidy()
      for (const subscription of await book.subscriptions(null)) await follow(subscription)
      sweeping = sweep()
    },
    stop: async (): Promise<void> => {
      closing.abort()
      await Promise.all([sweeping, ...[...followed.values()].map(({ done }) => done)])
    },
  } satisfies Stage & Record<string, unknown>
}
export type Events = ReturnType<typeof createEvents>

const notThere = (after: number): Problem =>
  new Problem({
    kind: 'fact-not-found',
    status: 404,
    detail: `the ledger has no fact ${after} yet`,
    next: 'headway ledger shows the newest',
  })

import { randomBytes } from 'node:crypto'
import { z } from 'zod'
import type { Seal } from '../access/access.ts'
import type { Clock, Ids } from '../clock.ts'
import { effect } from '../effect.ts'
import { type Actor, fact } from '../ledger/fact.ts'
import type { Ledger, Views } from '../ledger/ledger.ts'
import type { ProjectName } from '../names.ts'
import { Problem } from '../problem.ts'
import type { Store } from '../store/store.ts'
import { Source, SourceName, sourceRemoved, sourceSet, subscriptionRemoved, subscriptionSet } from './facts.ts'
import type { EventsOwnTables } from './tables.ts'
import type { EventsTables } from './views.ts'

export const Subscription = subscriptionSet.payload
export type Subscription = z.infer<typeof Subscription>
/** What of a subscription must not stand in the ledger. */
const Address = z.object({ url: z.url({ protocol: /^https?$/ }), secret: z.string() })
export type Address = z.infer<typeof Address>

export type SourceWish = Omit<Source, 'project' | 'source' | 'secret'>

type Ports = {
  readonly ledger: Pick<Ledger, 'append' | 'head'>
  readonly views: Pick<Views, 'reach'>
  readonly store: Store
  readonly seal: Seal
  readonly clock: Pick<Clock, 'now'>
  readonly ids: Ids
}

/**
 * Who may tell, and who is told. What is secret is sealed in a row of its own before the fact that names it is recorded, so that a crash
 * between the two leaves a row that nothing names, which the next start removes.
 */
export const createBook = ({ ledger, views, store, seal, clock, ids }: Ports) => {
  const own = store.tables<EventsOwnTables>()
  const db = store.tables<EventsTables>()

  const keep = async (project: ProjectName, plain: string): Promise<string> => {
    const secret = ids('event-secret')
    const sealed = seal.seal(nameOf(project, secret), Buffer.from(plain))
    await effect('events.keep-secret', () =>
      own.insertInto('events_secrets').values({ secret, project, sealed, made_at: clock.now() }).execute(),
    )
    return secret
  }

  const open = async (project: ProjectName, secret: string): Promise<string> => {
    const rows = own.selectFrom('events_secrets').select('sealed').where('secret', '=', secret)
    const { sealed } = await rows.executeTakeFirstOrThrow()
    return Buffer.from(seal.open(nameOf(project, secret), sealed)).toString('utf8')
  }

  /** Secrets that nothing names any more. */
  const tidy = async (): Promise<void> => {
    await views.reach()
    const named = [...(await sources(null)), ...(await subscriptions(null))].map(({ secret }) => secret)
    const rows = await own.selectFrom('events_secrets').select('secret').execute()
    const loose = rows.map(({ secret }) => secret).filter((secret) => !named.includes(secret))
    for (const secret of loose)
      await effect('events.forget-secret', () =>
        own.deleteFrom('events_secrets').where('secret', '=', secret).execute(),
      )
  }

  const sources = async (project: ProjectName | null): Promise<Source[]> => {
    const all = db.selectFrom('events_sources').select('body').orderBy('project').orderBy('name')
    const rows = await (project === null ? all : all.where('project', '=', project)).execute()
    return rows.map(({ body }) => Source.parse(JSON.parse(body)))
  }
  const subscriptions = async (project: ProjectName | null): Promise<Subscription[]> => {
    const all = db.selectFrom('events_subscriptions').select('body').orderBy('project').orderBy('name')
    const rows = await (project === null ? all : all.where('project', '=', project)).execute()
    return rows.map(({ body }) => Subscription.parse(JSON.parse(body)))
  }

  const source = async (project: ProjectName, name: string): Promise<Source | null> => {
    await views.reach()
    const rows = db.selectFrom('events_sources').select('body').where('project', '=', project).where('name', '=', name)
    const row = await rows.executeTakeFirst()
    return row ? Source.parse(JSON.parse(row.body)) : null
  }
  const subscription = async (project: ProjectName, name: string): Promise<Subscription> => {
    const found = (await subscriptions(project)).find((one) => one.subscription === name)
    if (!found) throw unknown('subscription', name)
    return found
  }

  return {
    sources,
    subscriptions,
    source,
    subscription,
    tidy,
    secretOf: (one: Source): Promise<string> => open(one.project, one.secret),
    addressOf: async (one: Subscription): Promise<Address> =>
      Address.parse(JSON.parse(await open(one.project, one.secret))),

    /** Sets what a source may tell, anew or for the first time. Without a secret it gets one, which is returned this once; or keeps its own. */
    setSource: async (
      project: ProjectName,
      name: string,
      wish: SourceWish,
      given: string | null,
      by: Actor,
    ): Promise<{ readonly secret: string | null }> => {
      const known = await source(project, SourceName.parse(name))
      const fresh = given ?? (known ? null : newSecret(wish.kind))
      const secret = fresh === null ? (known?.secret ?? '') : await keep(project, fresh)
      const payload = { project, source: name, secret, ...wish }
      await ledger.append([fact(sourceSet, { subject: `event-source:${project}/${name}`, actor: by, payload })])
      await tidy()
      return { secret: given === null ? fresh : null }
    },

    removeSource: async (project: ProjectName, name: string, by: Actor): Promise<void> => {
      if (!(await source(project, name))) throw unknown('source', name)
      const about = { subject: `event-source:${project}/${name}`, actor: by }
      await ledger.append([fact(sourceRemoved, { ...about, payload: { project, source: name } })])
      await tidy()
    },

    /** Tells somebody from now on (or from after a fact). The secret, when it was made here, is returned this once. */
    subscribe: async (
      project: ProjectName,
      name: string,
      wish: {
        readonly url: string
        readonly secret: string | null
        readonly types: string[]
        readonly after: number | null
      },
      by: Actor,
    ): Promise<{ readonly secret: string | null }> => {
      await views.reach()
      const key = wish.secret ?? `whsec_${randomBytes(24).toString('base64')}`
      const secret = await keep(project, JSON.stringify({ url: wish.url, secret: key } satisfies Address))
      const after = wish.after ?? (await ledger.head()).seq
      const payload = { project, subscription: name, secret, host: new URL(wish.url).host, types: wish.types, after }
      await ledger.append([
        fact(subscriptionSet, { subject: `event-subscription:${project}/${name}`, actor: by, payload }),
      ])
      await tidy()
      return { secret: wish.secret === null ? key : null }
    },

    unsubscribe: async (project: ProjectName, name: string, by: Actor): Promise<void> => {
      await views.reach()
      await subscription(project, name)
      const about = { subject: `event-subscription:${project}/${name}`, actor: by }
      await ledger.append([fact(subscriptionRemoved, { ...about, payload: { project, subscription: name } })])
      await tidy()
    },
  }
}
export type Book = ReturnType<typeof createBook>

const nameOf = (project: ProjectName, secret: string): string => `events/${project}/${secret}`

/** The libraries of standard webhooks take a key in base64; elsewhere a secret may become a part of an address, as Jenkins has it. */
const newSecret = (kind: Source['kind']): string =>
  kind === 'cdevents' || kind === 'plain'
    ? `whsec_${randomBytes(32).toString('base64')}`
    : randomBytes(32).toString('base64url')

const unknown = (what: 'source' | 'subscription', name: string): Problem =>
  new Problem({
    kind: `event-${what}-not-found`,
    status: 404,
    detail: `there is no ${what} ${name} in this project`,
    next: `headway events ${what}s list shows those that there are`,
  })

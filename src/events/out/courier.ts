import type { Clock } from '../../clock.ts'
import { effect } from '../../effect.ts'
import { awakenings } from '../../ledger/awakenings.ts'
import type { RecordedFact } from '../../ledger/fact.ts'
import type { Ledger } from '../../ledger/ledger.ts'
import { describeError, Problem } from '../../problem.ts'
import { postWebhook, type WebhookAnswer } from '../../webhook.ts'
import type { Book, Subscription } from '../book.ts'
import { fits } from '../sources/reading.ts'
import type { Outbox, Position } from './outbox.ts'
import type { Told } from './story.ts'

export type CourierPorts = {
  readonly ledger: Pick<Ledger, 'read' | 'onAppend'>
  readonly book: Pick<Book, 'addressOf'>
  readonly outbox: Outbox
  readonly clock: Clock
  /** What a project's subscriber is told of a fact; null: nothing. */
  story(project: Subscription['project'], fact: RecordedFact): Promise<Told | null>
  report(message: string): void
}

const batch = 100
const tries = 8
/** After the first, second ... failure; some eleven hours until an event is given up. */
const waitsMs = [5_000, 30_000, 120_000, 600_000, 1_800_000, 7_200_000, 28_800_000]
const restMs = 5_000

export const subscriptionKey = ({ project, subscription }: Pick<Subscription, 'project' | 'subscription'>): string =>
  `${project}/${subscription}`

/**
 * Tells one subscriber everything in the order of the ledger, at least once. What is not taken is tried again, longer and longer apart; at
 * last it goes to the dead letters, and until another one is taken each that follows is tried once only.
 */
export const createCourier = ({ ledger, book, outbox, clock, story, report }: CourierPorts) => {
  /** Goes on until it is stopped; what goes wrong here (not there) is reported and tried again. */
  const follow = async (subscription: Subscription, signal: AbortSignal): Promise<void> => {
    for await (const _ of awakenings(ledger, signal))
      while (!signal.aborted) {
        try {
          if ((await tellNext(subscription, signal)) === 'told everything') break
        } catch (error) {
          if (signal.aborted) return
          report(`telling ${subscription.host} (${subscriptionKey(subscription)}): ${describeError(error)}`)
          await clock.sleep(restMs, signal).catch(() => undefined)
        }
      }
  }

  const tellNext = async (subscription: Subscription, signal: AbortSignal): Promise<'told everything' | 'more'> => {
    const key = subscriptionKey(subscription)
    const begun = await outbox.position(key, subscription.after)
    const facts = await ledger.read({ after: begun.seq, limit: batch })
    let position = begun
    let isKept = true
    for (const fact of facts) {
      signal.throwIfAborted()
      const told = await wanted(subscription, fact)
      if (told === null) {
        position = { ...position, seq: fact.seq, attempts: 0, retry_at: null }
        isKept = false
        continue
      }
      position = await tell(subscription, fact, told, position, signal)
      isKept = true
      if (position.seq < fact.seq) return 'more'
    }
    // Facts that this subscriber is not told of move the cursor together.
    if (!isKept) await effect('events.pass-by', () => outbox.move(key, position))
    return facts.length < batch ? 'told everything' : 'more'
  }

  /** The position after a fact: past it, or still before it when it must be tried again. */
  const tell = async (
    subscription: Subscription,
    fact: RecordedFact,
    told: Told,
    position: Position,
    signal: AbortSignal,
  ): Promise<Position> => {
    const key = subscriptionKey(subscription)
    if (position.retry_at !== null) await clock.sleep(Math.max(0, position.retry_at - clock.now()), signal)
    const answer = await send(subscription, fact, told, signal)
    if (answer.outcome === 'done') {
      const taken = { seq: fact.seq, attempts: 0, retry_at: null, detail: null, is_failing: 0 }
      await effect('events.move-on', () => outbox.move(key, taken))
      return taken
    }
    const { detail } = answer
    const attempts = position.attempts + 1
    if (!answer.isPassing || position.is_failing === 1 || attempts >= tries) {
      const dead = { seq: fact.seq, failed_at: clock.now(), attempts, detail }
      await effect('events.give-up', () => outbox.giveUp(key, dead))
      return { seq: fact.seq, attempts: 0, retry_at: null, detail, is_failing: 1 }
    }
    const waiting = { ...position, attempts, retry_at: clock.now() + (waitsMs[attempts - 1] ?? 0), detail }
    await effect('events.wait', () => outbox.move(key, waiting))
    return waiting
  }

  const wanted = async (subscription: Subscription, fact: RecordedFact): Promise<Told | null> => {
    const told = await story(subscription.project, fact)
    const { types } = subscription
    return told && (types.length === 0 || types.some((pattern) => fits(pattern, told.type))) ? told : null
  }

  const send = async (
    subscription: Subscription,
    fact: RecordedFact,
    told: Told,
    signal: AbortSignal,
  ): Promise<WebhookAnswer> => {
    const { url, secret } = await book.addressOf(subscription)
    const webhook = {
      ...{ address: new URL(url), key: secret, contentType: 'application/cloudevents+json', body: told.body },
      ...{ id: `${subscriptionKey(subscription)}/${fact.seq}`, atSeconds: Math.floor(clock.now() / 1000) },
    }
    return effect('events.post', () => postWebhook(webhook, signal))
  }

  /** Sends what was given up once more, or one of it, oldest first, until one is not taken. Resolves to how many were. */
  const resend = async (subscription: Subscription, only: number | null, signal: AbortSignal): Promise<number> => {
    const key = subscriptionKey(subscription)
    const dead = (await outbox.dead(key, 1_000)).filter(({ seq }) => only === null || seq === only)
    if (only !== null && dead.length === 0) throw noLetter(subscription, only)
    let taken = 0
    for (const { seq } of dead) {
      const [fact] = await ledger.read({ after: seq - 1, limit: 1 })
      const told = fact?.seq === seq ? await story(subscription.project, fact) : null
      if (fact && told && (await send(subscription, fact, told, signal)).outcome === 'failed') return taken
      await effect('events.bury', () => outbox.bury(key, seq))
      taken += 1
    }
    return taken
  }

  return { follow, resend }
}

const noLetter = ({ subscription }: Subscription, seq: number): Problem =>
  new Problem({
    kind: 'dead-letter-not-found',
    status: 404,
    detail: `fact ${seq} is no dead letter of ${subscription}`,
    next: `headway events dead ${subscription} lists them`,
  })

export type Courier = ReturnType<typeof createCourier>

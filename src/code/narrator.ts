import type { Clock } from '../clock.ts'
import type { Ledger } from '../ledger/ledger.ts'
import { shortCommit } from '../names.ts'
import { beginNarration, type Narration, narrate, narratedFacts } from './narration.ts'
import { plainText } from './plain-text.ts'
import type { RecordedUpdate } from './recorder.ts'

export type NarratorParts = {
  readonly ledger: Pick<Ledger, 'read' | 'onAppend'>
  readonly clock: Clock
  /** The environments that a push can wait for, the first one first. */
  readonly environments: readonly [string, ...string[]]
  /** Why nothing can be recorded at the moment; null when nothing is in the way. */
  obstacle(): Promise<string | null>
  committedAt(update: RecordedUpdate): Promise<number | null>
}

const obstacleEveryMs = 2000

/** What a push asked for with `-o`. */
export type PushWishes = { readonly isAsync: boolean; readonly environment: string; readonly notes: readonly string[] }

export const readPushOptions = (
  options: readonly string[],
  environments: readonly [string, ...string[]],
): PushWishes => {
  const notes: string[] = []
  let isAsync = false
  let [environment] = environments
  for (const option of options) {
    const wanted = /^wait=(.*)$/.exec(option)?.[1]
    if (option === 'async') isAsync = true
    else if (wanted !== undefined && environments.includes(wanted)) environment = wanted
    else if (wanted !== undefined)
      notes.push(
        `there is no environment ${plainText(wanted)}; waiting for ${environment} (known: ${environments.join(', ')})`,
      )
    else
      notes.push(`the push option ${plainText(option)} is not known and does nothing; known: async, wait=<environment>`)
  }
  return { isAsync, environment, notes }
}

/** Tells who pushes how their change fares, from the ledger, until every ref's story has ended or `signal` aborts. */
export const createNarrator =
  ({ ledger, clock, environments, committedAt, obstacle }: NarratorParts) =>
  async (updates: readonly RecordedUpdate[], say: (line: string) => void, signal: AbortSignal): Promise<void> => {
    const wishes = readPushOptions(updates[0]?.payload.options ?? [], environments)
    for (const line of wishes.notes) say(line)
    const moved = updates.filter(({ payload }) => payload.after !== null)
    if (moved.length === 0) return
    if (wishes.isAsync) return say('accepted; headway runs and headway status show how it fares')
    let stories = await Promise.all(
      moved.map(async (update) => begin(update, wishes.environment, await committedAt(update))),
    )
    const tell = (story: Story, lines: readonly string[]): void => {
      for (const line of lines) say(stories.length === 1 ? line : `${story.label}: ${line.trimStart()}`)
    }
    const told = new AbortController()
    warnOf(obstacle, say, clock, AbortSignal.any([signal, told.signal])).catch(() => undefined)
    using _told = { [Symbol.dispose]: () => told.abort() }
    let cursor = Math.min(...updates.map(({ seq }) => seq))
    for await (const _ of awakenings(ledger, signal)) {
      for (;;) {
        const facts = await ledger.read({ after: cursor, types: narratedFacts, limit: 500 })
        for (const fact of facts)
          stories = stories.map((story) => {
            const { narration, lines } = narrate(story.narration, fact)
            tell(story, lines)
            return { ...story, narration }
          })
        const last = facts.at(-1)
        if (!last) break
        cursor = last.seq
      }
      if (stories.every(({ narration }) => narration.ended)) return
    }
    say('Headway stops or is restarted: the push is kept and goes on; headway status shows how it fares')
  }

type Story = { readonly label: string; readonly narration: Narration }

const begin = (update: RecordedUpdate, environment: string, committedAt: number | null): Story => {
  const { ref, push, after } = update.payload
  const name = ref.replace(/^refs\/(heads|tags)\//, '')
  return {
    label: plainText(after === null ? name : `${name} ${shortCommit(after)}`),
    narration: beginNarration({ push, environment, receivedAt: update.at, committedAt }),
  }
}

/** Says once what is in the way of a story that goes on without a word. Rejects when the signal aborts. */
const warnOf = async (
  obstacle: () => Promise<string | null>,
  say: (line: string) => void,
  clock: Clock,
  signal: AbortSignal,
): Promise<void> => {
  for (let known: string | null = null; known === null; ) {
    await clock.sleep(obstacleEveryMs, signal)
    known = await obstacle()
    if (known !== null && !signal.aborted) say(known)
  }
}

/** Yields at once and after every append; one that comes meanwhile is not lost. Ends when the signal aborts. */
async function* awakenings(ledger: Pick<Ledger, 'onAppend'>, signal: AbortSignal): AsyncGenerator<void> {
  let next = Promise.withResolvers<void>()
  const wake = (): void => next.resolve()
  const unsubscribe = ledger.onAppend(wake)
  signal.addEventListener('abort', wake)
  try {
    while (!signal.aborted) {
      yield
      await next.promise
      next = Promise.withResolvers<void>()
    }
  } finally {
    unsubscribe()
    signal.removeEventListener('abort', wake)
  }
}

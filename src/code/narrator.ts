import { pushVerified } from '../build/facts.ts'
import type { Clock } from '../clock.ts'
import { awakenings } from '../ledger/awakenings.ts'
import { isFact, type RecordedFact } from '../ledger/fact.ts'
import type { Ledger } from '../ledger/ledger.ts'
import { type ProjectName, shortCommit } from '../names.ts'
import { isJob } from './changes/change.ts'
import type { ChangeKey } from './changes/facts.ts'
import { isChangeOption, wantsChange } from './changes/options.ts'
import { beginChangeStory, type ChangeStory, changeStoryFacts, narrateChange } from './changes/story.ts'
import { failuresOf, narrate, narratedFacts } from './narration.ts'
import { plainText } from './plain-text.ts'
import type { RecordedUpdate } from './recorder.ts'
import { detailLine, nextLine, verdictLines } from './story-lines.ts'
import { beginNarration, type Narration } from './telling.ts'
import { type Stop, type Stops, usualWay, wayTo } from './way.ts'

export type NarratorParts = {
  readonly ledger: Pick<Ledger, 'read' | 'onAppend'>
  readonly clock: Clock
  /** The environments, in order of promotion. */
  environments(): Stops
  /** Why nothing can be recorded at the moment; null when nothing is in the way. */
  obstacle(): Promise<string | null>
  /** What a push or an event (`push:<id>`, `event:<id>`) waits for where nothing of it goes on before somebody acts; else null. */
  heldUp(origin: string): Promise<readonly string[] | null>
  committedAt(update: RecordedUpdate): Promise<number | null>
  /** The open change that follows the branch which was pushed; null where there is none. */
  changeOf(update: RecordedUpdate): Promise<number | null>
  /** Whether a change of this project can be looked at once its checks have passed. */
  hasPreviews(project: ProjectName): Promise<boolean>
  /** What a push into a repository of Headway's own asks for, in lines; null for every other one. */
  ownWords?(update: RecordedUpdate): Promise<readonly string[] | null>
  /** Where a change is shown. */
  changeUrl(key: ChangeKey): string
}

const obstacleEveryMs = 2000
const heldEveryMs = 1500

/** What a push asked for with `-o`. */
export type PushWishes = {
  readonly isAsync: boolean
  /** The environments that are waited for; `isPatient`: by name, so that also what is held there is waited for. */
  readonly way: readonly Stop[]
  readonly isPatient: boolean
  readonly notes: readonly string[]
}

export const readPushOptions = (options: readonly string[], stops: Stops): PushWishes => {
  const notes: string[] = []
  let isAsync = false
  let wanted: readonly Stop[] | null = null
  const usual = usualWay(stops)
  for (const option of options) {
    const name = /^wait=(.*)$/.exec(option)?.[1]
    const way = name === undefined ? null : wayTo(name, stops)
    if (option === 'async') isAsync = true
    else if (way !== null) wanted = way
    else if (name !== undefined)
      notes.push(
        `there is no environment ${plainText(name)}; waiting for ${namesOf(wanted ?? usual)} (known: ${namesOf(stops)})`,
      )
    else if (!isChangeOption(option))
      notes.push(
        `the push option ${plainText(option)} is not known and does nothing; known: async, wait=<environment>, change, title=<text>, target=<branch>`,
      )
  }
  if (!wantsChange(options) && options.some(isChangeOption))
    notes.push('title and target mean something together with -o change only')
  return { isAsync, way: wanted ?? usual, isPatient: wanted !== null, notes }
}

const namesOf = (stops: readonly Stop[]): string => stops.map(({ environment }) => environment).join(', ')

/** How a told push ended: `unknown` where nobody waited for the end, or it could not be awaited. */
export type StoryEnd = 'succeeded' | 'failed' | 'unknown'

/** Whether rollouts are told to their end, or until they have begun. */
export type Telling = { readonly toTheEnd: boolean }

/** Tells who pushes how their change fares, from the ledger, until every ref's story has ended or `signal` aborts. */
export const createNarrator =
  (parts: NarratorParts) =>
  async (
    updates: readonly RecordedUpdate[],
    say: (line: string) => void,
    signal: AbortSignal,
    { toTheEnd }: Telling = { toTheEnd: false },
  ): Promise<StoryEnd> => {
    const { ledger, clock, environments, obstacle } = parts
    const wishes = readPushOptions(updates[0]?.payload.options ?? [], environments())
    for (const line of wishes.notes) say(line)
    const moved = updates.filter(({ payload }) => payload.after !== null)
    if (moved.length === 0) return 'succeeded'
    if (wishes.isAsync) {
      say('accepted; headway watch shows how it fares')
      return 'unknown'
    }
    const own = await Promise.all(moved.map(async (update) => (await parts.ownWords?.(update)) ?? null))
    for (const line of own.flatMap((lines) => lines ?? [])) say(line)
    let stories = (
      await Promise.all(
        moved.map((update, place) => begin(parts, update, { ...wishes, toTheEnd, isOwn: own[place] !== null })),
      )
    ).flat()
    const tell = (story: Story, lines: readonly string[]): void => {
      for (const line of lines) say(moved.length === 1 ? line : `${story.label}: ${line.trimStart()}`)
    }
    const told = new AbortController()
    const over = AbortSignal.any([signal, told.signal])
    warnOf(obstacle, say, clock, over).catch(() => undefined)
    const held = new AbortController()
    let why: readonly string[] = []
    // Who pushes does not wait for people; who asked to hear the end does.
    if (!toTheEnd && !wishes.isPatient)
      untilHeld(() => heldUp(stories, parts), clock, over).then(
        (found) => {
          why = found
          held.abort()
        },
        () => undefined,
      )
    using _told = { [Symbol.dispose]: () => told.abort() }
    let cursor = Math.min(...updates.map(({ seq }) => seq))
    for await (const _ of awakenings(ledger, AbortSignal.any([signal, held.signal]), listened)) {
      for (;;) {
        const facts = await ledger.read({ after: cursor, types: listened, limit: 500 })
        for (const fact of facts)
          stories = stories.map((story) => {
            const { story: next, lines } = story.after(fact)
            tell(story, lines)
            return next
          })
        const last = facts.at(-1)
        if (!last) break
        cursor = last.seq
      }
      if (stories.every(({ hasEnded }) => hasEnded))
        return stories.some(({ hasFailed }) => hasFailed) ? 'failed' : 'succeeded'
    }
    if (held.signal.aborted && !signal.aborted) {
      for (const story of stories) tell(story, story.failures)
      for (const line of heldLines(why, updates[0]?.payload.push ?? '')) say(line)
      return 'unknown'
    }
    say('Headway stops or is restarted: the push is kept and goes on; headway watch shows how it fares')
    return 'unknown'
  }

const listened = [...narratedFacts, ...changeStoryFacts]

/** What is told of a ref, and how it goes on. */
type Story = {
  readonly label: string
  /** What it tells: `push:<id>`, or `event:<id>`; null as long as nothing of it is known. */
  readonly origin: string | null
  readonly hasEnded: boolean
  readonly hasFailed: boolean
  /** What of it has failed, in lines, as long as it has not ended. */
  readonly failures: readonly string[]
  after(fact: RecordedFact): { readonly story: Story; readonly lines: readonly string[] }
}

/** What is told: its origin, the runs of it, and what does not happen when they fail. */
type Subject<State> = {
  readonly originOf: (state: State) => string | null
  readonly runsOf: (state: State) => Narration | null
  readonly verdict: string
}

const failuresIn = (runs: Narration | null, verdict: string): readonly string[] =>
  runs !== null && runs.failures.length > 0
    ? verdictLines('failure', failuresOf(runs, null), runs.failedRuns, verdict)
    : []

const storyOf = <State extends { readonly ended: boolean; readonly hasFailed?: boolean }>(
  label: string,
  state: State,
  { originOf, runsOf, verdict }: Subject<State>,
  tell: (state: State, fact: RecordedFact) => { readonly narration: State; readonly lines: readonly string[] },
): Story => ({
  label,
  origin: originOf(state),
  hasEnded: state.ended,
  hasFailed: state.hasFailed === true,
  failures: state.ended ? [] : failuresIn(runsOf(state), verdict),
  after: (fact) => {
    const { narration, lines } = tell(state, fact)
    return { story: storyOf(label, narration, { originOf, runsOf, verdict }, tell), lines }
  },
})

/** Where something else tells what becomes of it, it is no news that nothing is tested for the branch alone. */
const narrateBeside: typeof narrate = (narration, fact) => {
  const { narration: next, lines } = narrate(narration, fact)
  const isSkipped = isFact(pushVerified, fact) && fact.payload.conclusion === 'skipped'
  return { narration: next, lines: isSkipped ? [] : lines }
}

const ofPush = (push: string): Subject<Narration> => ({
  originOf: () => `push:${push}`,
  runsOf: (narration) => narration,
  verdict: 'not deployed',
})
const ofChange: Subject<ChangeStory> = {
  originOf: ({ checks }) => checks && `event:${checks.push}`,
  runsOf: ({ checks }) => checks,
  verdict: 'the change is not merged',
}

/** The story of the push itself, and that of the change which it has opened or goes into. */
const begin = async (
  parts: NarratorParts,
  update: RecordedUpdate,
  { way, isPatient, toTheEnd, isOwn }: PushWishes & Telling & { readonly isOwn: boolean },
): Promise<Story[]> => {
  const { ref, push, after, project, repository, options } = update.payload
  const name = ref.replace(/^refs\/(heads|tags)\//, '')
  const label = plainText(after === null ? name : `${name} ${shortCommit(after)}`)
  const committedAt = await parts.committedAt(update)
  const pushed = beginNarration({ ...{ push, project, way, isPatient, toTheEnd }, receivedAt: update.at, committedAt })
  const isByJob = isJob(update.actor) // it is not tested by itself
  const isWanted = !isByJob && ref.startsWith('refs/heads/') && wantsChange(options)
  const number = isByJob || isWanted ? null : await parts.changeOf(update)
  const isProposed = isWanted || number !== null
  const hasPreview = isProposed && (await parts.hasPreviews(project))
  return [
    storyOf(label, pushed, ofPush(push), isProposed || isOwn ? narrateBeside : narrate),
    ...(isProposed
      ? [
          storyOf(
            label,
            beginChangeStory({ push, ref, project, repository, number, hasPreview }),
            ofChange,
            (story, fact) => narrateChange(story, fact, parts.changeUrl),
          ),
        ]
      : []),
  ]
}

/** What all stories that go on wait for; null where one of them waits for nobody. */
const heldUp = async (
  stories: readonly Story[],
  { heldUp: heldUpBy }: Pick<NarratorParts, 'heldUp'>,
): Promise<readonly string[] | null> => {
  const all: string[] = []
  for (const { origin, hasEnded } of stories) {
    if (hasEnded) continue
    const why = origin === null ? null : await heldUpBy(origin)
    if (why === null) return null
    all.push(...why)
  }
  return all.length > 0 ? all : null
}

/** Resolves to what holds them up once that was the same twice: between two jobs nothing runs, either. Rejects when the signal aborts. */
const untilHeld = async (
  ask: () => Promise<readonly string[] | null>,
  clock: Clock,
  signal: AbortSignal,
): Promise<readonly string[]> => {
  for (let before: readonly string[] | null = null; ; ) {
    await clock.sleep(heldEveryMs, signal)
    const now = await ask()
    if (now !== null && JSON.stringify(now) === JSON.stringify(before)) return now
    before = now
  }
}

/** So many of them are told. */
const mostHeld = 5

const heldLines = (why: readonly string[], push: string): string[] => [
  'not over, but nothing of it goes on before somebody acts:',
  ...why.slice(0, mostHeld).map(detailLine),
  ...(why.length > mostHeld ? [detailLine(`and ${why.length - mostHeld} more`)] : []),
  ...nextLine(`headway watch ${push}`),
]

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

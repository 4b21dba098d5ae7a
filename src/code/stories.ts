import { isFact } from '../ledger/fact.ts'
import type { Ledger } from '../ledger/ledger.ts'
import type { ProjectName } from '../names.ts'
import { refUpdated } from './facts.ts'
import type { StoryEnd } from './narrator.ts'
import type { RecordedUpdate } from './recorder.ts'

/** A ref that a push moved, for finding the push again. */
export type PushSummary = {
  readonly push: string
  readonly repository: string
  readonly ref: string
  readonly commit: string
  readonly actor: string
  readonly at: number
}

export type PushQuery = {
  readonly repository?: string | undefined
  /** A commit, or its first characters. */
  readonly commit?: string | undefined
  readonly limit: number
}

/** One line of a story, and at last how it ended. */
export type StoryLine = { readonly text: string } | { readonly end: StoryEnd }

type Narrate = (
  updates: readonly RecordedUpdate[],
  say: (line: string) => void,
  signal: AbortSignal,
) => Promise<StoryEnd>

const page = 200
/** Older pushes than the last so many are not looked for. */
const furthestPages = 100

/** The stories of pushes for whoever did not stay to hear them. */
export const createStories = ({ ledger, narrate }: { ledger: Ledger; narrate: Narrate }) => {
  /** The newest first. */
  const find = async (project: ProjectName, query: PushQuery): Promise<RecordedUpdate[]> => {
    const found: RecordedUpdate[] = []
    let before: number | undefined
    for (let pages = 0; pages < furthestPages; pages += 1) {
      const from = before === undefined ? {} : { after: before }
      const facts = await ledger.read({ types: [refUpdated.type], newestFirst: true, limit: page, ...from })
      for (const fact of facts)
        if (isFact(refUpdated, fact) && matches(fact, project, query)) {
          found.push(fact)
          if (found.length === query.limit) return found
        }
      before = facts.at(-1)?.seq
      if (facts.length < page) break
    }
    return found
  }

  return {
    pushes: async (project: ProjectName, query: PushQuery): Promise<PushSummary[]> =>
      (await find(project, query)).flatMap(({ at, actor, payload: { push, repository, ref, after } }) =>
        after === null ? [] : [{ push, repository, ref, commit: after, actor, at }],
      ),

    /** Tells a push from its beginning and on until it has ended; null when there is no such push. */
    story: async (
      project: ProjectName,
      push: string,
      signal: AbortSignal,
    ): Promise<AsyncIterable<StoryLine> | null> => {
      const facts = await ledger.read({ subject: `push:${push}`, types: [refUpdated.type] })
      const told = facts.flatMap((fact) =>
        // Whoever asks wants to hear, also where who pushed did not.
        isFact(refUpdated, fact) && fact.payload.project === project
          ? [{ ...fact, payload: { ...fact.payload, options: [] } }]
          : [],
      )
      return told.length === 0 ? null : lines(told, signal)
    },
  }

  async function* lines(updates: readonly RecordedUpdate[], signal: AbortSignal): AsyncGenerator<StoryLine> {
    const waiting: StoryLine[] = []
    let news = Promise.withResolvers<void>()
    let isOver = false
    const put = (line: StoryLine): void => {
      waiting.push(line)
      news.resolve()
    }
    const gone = new AbortController()
    const telling = narrate(updates, (text) => put({ text }), AbortSignal.any([signal, gone.signal]))
      .then((end) => put({ end }))
      .finally(() => {
        isOver = true
        news.resolve()
      })
    telling.catch(() => undefined) // heard below
    try {
      for (;;) {
        for (let line = waiting.shift(); line; line = waiting.shift()) yield line
        if (isOver) return await telling
        await news.promise
        news = Promise.withResolvers()
      }
    } finally {
      gone.abort()
    }
  }
}

const matches = ({ payload }: RecordedUpdate, project: ProjectName, { repository, commit }: PushQuery): boolean =>
  payload.project === project &&
  (repository === undefined || payload.repository === repository) &&
  (commit === undefined || payload.after?.startsWith(commit) === true)

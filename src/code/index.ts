import type { Role } from '../access/facts.ts'
import type { Clock, Ids } from '../clock.ts'
import type { Home } from '../home.ts'
import { fact } from '../ledger/fact.ts'
import type { Ledger, Views } from '../ledger/ledger.ts'
import { type ProjectName, repositorySubject } from '../names.ts'
import { describeError, Problem } from '../problem.ts'
import type { Stage } from '../stage.ts'
import { createMutex, type Mutex } from '../store/mutex.ts'
import type { Store } from '../store/store.ts'
import type { RepositoryKey } from './address.ts'
import { createChanges } from './changes/index.ts'
import { changeUrl } from './changes/payload.ts'
import { changesView } from './changes/view.ts'
import type { RefUpdate } from './dialogue.ts'
import { codeFacts, protectionSet } from './facts.ts'
import type { GitLimits } from './git.ts'
import { writeHooks } from './hooks.ts'
import type { Examination } from './inspection.ts'
import { createNarrator } from './narrator.ts'
import { type DirectPush, defaultProtection, type Protection } from './protection.ts'
import type { PushParts } from './push.ts'
import { createCodeQueries, type Ref } from './queries.ts'
import { createReading } from './reading.ts'
import { createRecorder } from './recorder.ts'
import { createRefusals } from './refusals.ts'
import { createRepositories } from './repositories.ts'
import { fullDisk } from './room.ts'
import { createSmartHttp, type GitHandler } from './smart-http.ts'
import { createStories } from './stories.ts'
import { codeView } from './views.ts'
import type { Stops } from './way.ts'

export type { RepositoryKey } from './address.ts'
export type { Protection } from './protection.ts'
export type { Ref, Repository } from './queries.ts'
export type { GitHandler } from './smart-http.ts'
export type { Stop } from './way.ts'

export type CodeParts = {
  readonly ledger: Ledger
  readonly store: Store
  readonly views: Views
  readonly clock: Clock
  readonly ids: Ids
  readonly home: Pick<Home, 'repositories'>
  /** The environments that a push goes through, in order of promotion. */
  environments(): Stops
  /** Headway's own project, whose repositories it writes itself. */
  readonly ownProject: ProjectName
  /** Who reads these repositories; nobody where nothing is said. */
  readonly ownReader?: OwnReader
  readonly limits?: Partial<GitLimits>
  /** Where the API is reached. */
  readonly serverUrl: () => string
  /** What somebody may do in a project today. */
  roleOf(user: string, project: ProjectName): Promise<Role | null>
  /** Asks a run to end. */
  cancelRun(project: ProjectName, run: string): Promise<unknown>
  /** What a push or an event (`push:<id>`, `event:<id>`) waits for where nothing of it goes on before somebody acts; else null. */
  heldUp?(origin: string): Promise<readonly string[] | null>
  /** Whether changes of a project can be looked at once their checks have passed; none can where nobody says. */
  hasPreviews?(project: ProjectName): Promise<boolean>
  /** Told of what went wrong while nobody was waiting for an answer. */
  report(message: string): void
}

/** What becomes of pushes into repositories of Headway's own. */
export type OwnReader = {
  /** What speaks against it, in lines to show. */
  examine(key: RepositoryKey, ...pushed: Parameters<Examination>): ReturnType<Examination>
  /** What is asked for by it, in lines to show. */
  asked(key: RepositoryKey, update: RefUpdate): Promise<readonly string[]>
}

const defaultLimits: GitLimits = { maxPackBytes: 512 * 1024 * 1024 }
/** A receive-pack that outlived its control plane ends some time after the next one has started. */
const scanAfterStartMs = [1_000, 5_000, 20_000]
const scanEveryMs = 60_000
const maintainEveryMs = 60 * 60_000
const scansAtOnce = 8
const discoverAgainMs = 2_000

export type Code = ReturnType<typeof createCode>

/** The code stage: repositories, served over HTTP, with every change of a ref in the ledger. */
export const createCode = (parts: CodeParts) => {
  const { ledger, store, views, clock, ids } = parts
  const repositories = createRepositories(parts.home.repositories)
  const isOurs = ({ project }: RepositoryKey): boolean => project === parts.ownProject
  const recorder = createRecorder({ ledger, views, store, ids, repositories, isOurs })
  const refusals = createRefusals({ ledger, clock, report: parts.report })
  const reading = createReading(repositories)
  const doors = new Map<string, Mutex>()
  const stopping = new AbortController()
  const serving = new Set<Promise<void>>()
  const background = new Set<Promise<void>>()
  const queries = createCodeQueries({ store, views })
  let handle: GitHandler | null = null

  const enter = (key: RepositoryKey): Promise<() => void> => {
    const name = `${key.project}/${key.repository}`
    const door = doors.get(name) ?? createMutex()
    doors.set(name, door)
    return door.enter()
  }
  const alone = async <Result>(key: RepositoryKey, act: () => Promise<Result>): Promise<Result> => {
    const leave = await enter(key)
    try {
      return await act()
    } finally {
      leave()
    }
  }

  const create = (key: RepositoryKey, actor: string): Promise<void> =>
    alone(key, async () => {
      if (!repositories.exists(key)) await repositories.create(key)
      await recorder.created(key, actor)
    })

  const protectionOf = async (key: RepositoryKey): Promise<Protection> =>
    (await queries.repository(key))?.protection ?? defaultProtection

  const mustExist = async (key: RepositoryKey): Promise<void> => {
    if (await queries.repository(key)) return
    throw new Problem({
      kind: 'repository-not-found',
      status: 404,
      detail: `there is no repository ${key.project}/${key.repository}`,
      next: 'headway repositories lists them; the first push makes one',
    })
  }

  const changes = createChanges({
    ...parts,
    recorder,
    pathOf: repositories.pathOf,
    defaultBranch: reading.defaultBranch,
    alone,
    isOurs,
    protectionOf,
    mustExist,
  })

  /** Looks through all repositories for what the ledger does not know: what happened while Headway was dead, or behind it. */
  const scan = async (): Promise<number> => {
    const waiting = await repositories.list()
    let found = 0
    const work = async (): Promise<void> => {
      for (let key = waiting.shift(); key && !stopping.signal.aborted; key = waiting.shift()) {
        const at = key
        try {
          const count = await alone(at, () => recorder.discover(at))
          found += count
        } catch (error) {
          parts.report(`looking through ${at.project}/${at.repository}: ${describeError(error)}`)
        }
      }
    }
    await Promise.all(Array.from({ length: scansAtOnce }, work))
    return found
  }

  const maintain = async (): Promise<void> => {
    for (const key of await repositories.list()) {
      stopping.signal.throwIfAborted()
      await repositories.maintain(key, stopping.signal).catch((error: unknown) => {
        if (!stopping.signal.aborted) parts.report(describeError(error))
      })
    }
  }

  const loop = (act: () => Promise<unknown>, pauses: readonly number[], everyMs: number): void => {
    const rounds = async (): Promise<void> => {
      for (let round = 0; ; round += 1) {
        await clock.sleep(pauses[round] ?? everyMs, stopping.signal)
        await act().catch((error: unknown) => parts.report(describeError(error)))
      }
    }
    inBackground(rounds())
  }

  const inBackground = (work: Promise<void>): void => {
    const running = work
      .catch((error: unknown) => {
        if (!stopping.signal.aborted) parts.report(describeError(error))
      })
      .finally(() => background.delete(running))
    background.add(running)
  }

  /** Looks at a repository until what was found there could be recorded. */
  const discover = async (key: RepositoryKey): Promise<void> => {
    for (let attempt = 1; ; attempt += 1) {
      try {
        await alone(key, () => recorder.discover(key))
        return
      } catch (error) {
        if (attempt === 1) parts.report(`recording ${key.project}/${key.repository}: ${describeError(error)}`)
      }
      await clock.sleep(discoverAgainMs, stopping.signal)
    }
  }
  const discoverLater = (key: RepositoryKey): void => inBackground(discover(key))

  const narrate = createNarrator({
    ledger,
    clock,
    environments: parts.environments,
    obstacle: () => fullDisk(parts.home.repositories),
    heldUp: parts.heldUp ?? (async () => null),
    committedAt: async ({ payload: { project, repository, after } }) =>
      after === null ? null : reading.committedAt(project, repository, after),
    changeOf: ({ payload }) => changes.openOn(payload, payload.ref.replace('refs/heads/', '')),
    hasPreviews: parts.hasPreviews ?? (async () => false),
    changeUrl: (key) => changeUrl(parts.serverUrl(), key),
    ownWords: async ({ payload }) =>
      isOurs(payload) ? ((await parts.ownReader?.asked(payload, payload)) ?? []) : null,
  })

  const stories = createStories({
    ledger,
    narrate: (updates, say, signal) =>
      narrate(updates, say, AbortSignal.any([signal, stopping.signal]), { toTheEnd: true }),
  })

  const stage: Stage = {
    name: 'code',
    facts: codeFacts,
    views: [codeView, changesView],
    start: async () => {
      await repositories.prepare()
      const hooks = writeHooks(parts.home.repositories)
      const limits = { ...defaultLimits, ...parts.limits }
      const { announce } = changes
      const examine: PushParts['examine'] = async (key, updates, variables) =>
        (isOurs(key) && (await parts.ownReader?.examine(key, updates, variables))) || []
      const pushing = {
        hooks,
        limits,
        recorder,
        refusals,
        enter,
        protectionOf,
        examine,
        announce,
        narrate,
        discoverLater,
      }
      handle = createSmartHttp({ ...pushing, repositories, create, report: parts.report }, stopping.signal)
      await changes.recover()
      await scan()
      await changes.start()
      loop(scan, scanAfterStartMs, scanEveryMs)
      loop(maintain, [], maintainEveryMs)
    },
    stop: async () => {
      stopping.abort()
      await changes.stop()
      await Promise.allSettled([...serving, ...background])
    },
  }

  return {
    ...stage,
    ...reading,
    ...stories,
    /** Serves Git's smart HTTP below `/git/`; resolves when the answer has ended. */
    handleGit: (async (request, response, identity) => {
      if (!handle || stopping.signal.aborted) {
        response.writeHead(503, { 'content-type': 'text/plain', 'retry-after': '2' })
        response.end('Headway is starting or stopping; try again\n')
        return
      }
      const work = handle(request, response, identity)
      serving.add(work)
      await work.finally(() => serving.delete(work))
    }) satisfies GitHandler,
    scan,
    create,
    changes,
    projects: queries.projects,
    repositories: queries.repositories,
    /** Whether a ref is a branch that is kept safe. */
    isProtected: async ({ ref, ...key }: RepositoryKey & { readonly ref: string }): Promise<boolean> => {
      const branch = /^refs\/heads\/(.+)$/.exec(ref)?.[1]
      return branch !== undefined && (await protectionOf(key)).branches.includes(branch)
    },
    refs: async (key: RepositoryKey): Promise<Ref[]> => {
      await mustExist(key)
      return queries.refs(key)
    },
    /** What is not said of it stays as it is. */
    protect: async (
      key: RepositoryKey,
      { branches, allowForce, ...said }: Omit<Protection, 'push'> & { push?: DirectPush | undefined },
      actor: string,
    ): Promise<Protection> => {
      await mustExist(key)
      const push = said.push ?? (await protectionOf(key)).push
      const subject = repositorySubject(key.project, key.repository)
      await ledger.append([
        fact(protectionSet, { subject, actor, payload: { ...key, branches: [...branches], allowForce, push } }),
      ])
      return { branches, allowForce, push }
    },
  }
}

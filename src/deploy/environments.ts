import { existsSync } from 'node:fs'
import { mkdir, mkdtemp, rename, rm } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import type { Clock } from '../clock.ts'
import { effect } from '../effect.ts'
import { CommitId } from '../names.ts'
import type { CommandOutcome } from '../processes/command.ts'
import { run } from '../processes/run.ts'
import { createGate } from '../store/mutex.ts'
import { createRemote, type Remote, type RemotePlace, remoteEnvironment } from './remote.ts'

/** A file with its new text (null: the file goes). */
export type FileChange = { readonly path: string; readonly text: string | null }

/** One commit that Headway makes. */
export type DesiredChange = FileChange & {
  /** What changes besides, in the same commit. */
  readonly also?: readonly FileChange[]
  readonly subject: string
  /** `Headway-Intent: deployment-…`, by which a commit is found again after a crash. */
  readonly trailer: string
}

export type DesiredFile = { readonly path: string; readonly blob: string }

/** The environments repository, where desired state lives: bare, on this machine, also served by the Git host. */
export type Environments = {
  /** Makes the repository when it is not there yet. */
  prepare(): Promise<void>
  /** The newest commit of main; null before the first. */
  head(): Promise<CommitId | null>
  /** Takes in what is new on the Git server on which it lives; nothing where it lives here. */
  pull(): Promise<void>
  /** Adds a commit to main; when somebody else's came in between, on top of that. Durable when it resolves. */
  commit(change: DesiredChange): Promise<CommitId>
  /** The newest commit on main with this trailer, if there is one; `since` (milliseconds since 1970) spares the older history. */
  findTrailer(trailer: string, since: number): Promise<CommitId | null>
  /** The commits up to this one that changed files of a pattern, newest first. */
  history(commit: CommitId, pattern: string, limit: number): Promise<CommitId[]>
  /** Reads what a push brings before it is accepted, by the variables that Git gives to its hooks. */
  within(quarantine: Readonly<Record<string, string>>): EnvironmentsReading
} & EnvironmentsReading

export type EnvironmentsReading = {
  /** All files at a commit. */
  list(commit: CommitId): Promise<DesiredFile[]>
  /** For each `<commit>:<path>`, the file's object name and text; null where it is not there. */
  readAll(names: readonly string[]): Promise<({ blob: string; text: string } | null)[]>
}

/** Where desired state stands; other branches are nobody's concern. */
export const environmentsBranch = 'refs/heads/main'
/** The trailer of the commit that a new home is made with. */
const beginning = 'Headway-Intent: begin'
/** Each is a process, and to start one takes milliseconds of this thread: a start looks at every service there is. */
const readsAtOnce = 8
/** A commit may carry a time from before its intent when somebody set the machine's clock. */
const clockSlackMs = 86_400_000

export const createEnvironments = (options: {
  readonly directory: string
  readonly clock: Clock
  /** What stands in the repository when it is made; nothing where nothing is said. */
  readonly first?: readonly FileChange[]
  /** The Git server on which it lives instead. */
  readonly remote?: RemotePlace | null
  report?(message: string): void
}): Environments => {
  const { directory, clock } = options
  const env = {
    PATH: process.env.PATH ?? '/usr/bin:/bin',
    HOME: '/nonexistent',
    LC_ALL: 'C',
    GIT_CONFIG_NOSYSTEM: '1',
    GIT_CONFIG_GLOBAL: '/dev/null',
    GIT_DIR: directory,
    ...remoteEnvironment(options.remote ?? null),
  }
  const gitWith =
    (variables: Readonly<Record<string, string>>): Git =>
    (words, input) =>
      run({
        argv: ['git', '-c', 'core.fsync=all', ...words],
        cwd: '/',
        env: { ...env, ...variables },
        timeoutMs: 60_000,
        ...(input === undefined ? {} : { input }),
      })
  const git = gitWith({})
  const gate = createGate(readsAtOnce)
  const look: Git = (words, input) => gate(() => git(words, input))
  const must = (words: readonly string[]): Promise<string> => mustRun(git, words)
  let commits = Promise.resolve()

  const head = async (): Promise<CommitId | null> => {
    const { stdout } = await look(['rev-parse', '--verify', '--quiet', environmentsBranch])
    const name = stdout.toString().trim()
    return name === '' ? null : CommitId.parse(name)
  }

  const remote = options.remote
    ? createRemote(options.remote, git, (commit) =>
        options.report?.(`${commit} is not on the Git server of the environments repository, and no longer counts`),
      )
    : null
  let pulling: Promise<void> | null = null
  const pull = (): Promise<void> => {
    pulling ??= (remote ? remote.pull() : Promise.resolve()).finally(() => {
      pulling = null
    })
    return pulling
  }

  /** Made aside and brought to the remote first, so that main is never ahead of it; null when somebody else's push came first. */
  const addThere = async (there: Remote, change: DesiredChange): Promise<CommitId | null> => {
    await pull()
    const earlier = await findTrailer(change.trailer, clock.now() - clockSlackMs)
    if (earlier) return earlier // brought there by a process that was killed before it knew
    const stream = importStream(change, await head(), clock.now(), 'refs/headway/outgoing')
    const outcome = await effect('deploy.commit-aside', () => git(['fast-import', '--quiet', '--force'], stream))
    if (outcome.exitCode !== 0) throw new Error(`git fast-import in ${directory} failed: ${outcome.stderr.trim()}`)
    const made = CommitId.parse(outcome.stdout.toString().trim())
    if (!(await there.push(made))) return null
    await there.follow(made)
    return made
  }

  /** Null when main moved meanwhile: fast-import then leaves it where it is, which makes it a compare-and-swap. */
  const add = async (change: DesiredChange, parent: CommitId | null): Promise<CommitId | null> => {
    const outcome = await effect('deploy.commit', () =>
      git(['fast-import', '--quiet'], importStream(change, parent, clock.now())),
    )
    if (outcome.exitCode === 0) return CommitId.parse(outcome.stdout.toString().trim())
    if (/Not updating|cannot lock|reference already exists/.test(outcome.stderr)) return null
    throw new Error(`git fast-import in ${directory} failed: ${outcome.stderr.trim()}`)
  }

  const commit = async (change: DesiredChange): Promise<CommitId> => {
    for (let attempt = 1; attempt <= 10; attempt += 1) {
      const made = remote ? await addThere(remote, change) : await add(change, await head())
      if (made) return made
    }
    throw new Error(`main of ${directory} moved ten times while "${change.trailer}" was to be committed`)
  }

  const findTrailer = async (trailer: string, since: number): Promise<CommitId | null> => {
    if ((await head()) === null) return null
    const from = `--since=@${Math.max(0, Math.floor((since - clockSlackMs) / 1000))}`
    const found = await must([
      'log',
      '-1',
      '--format=%H',
      from,
      '--fixed-strings',
      `--grep=${trailer}`,
      environmentsBranch,
    ])
    return found.trim() === '' ? null : CommitId.parse(found.trim())
  }

  const fill = async (fresh: string): Promise<void> => {
    const [file, ...also] = options.first ?? []
    if (!file) return
    const change = { ...file, also, subject: 'Begin', trailer: beginning }
    const stream = importStream(change, null, clock.now())
    const argv = ['git', '-c', 'core.fsync=all', 'fast-import', '--quiet'] as const
    const filled = await run({ argv, cwd: '/', env: { ...env, GIT_DIR: fresh }, input: stream })
    if (filled.exitCode !== 0) throw new Error(`git fast-import in ${fresh} failed: ${filled.stderr.trim()}`)
  }

  return {
    prepare: async () => {
      if (existsSync(join(directory, 'HEAD'))) return
      await effect('deploy.create-environments', async () => {
        await mkdir(dirname(directory), { recursive: true, mode: 0o700 })
        const fresh = await mkdtemp(join(dirname(directory), '.environments-'))
        const made = await run({
          argv: ['git', 'init', '--quiet', '--bare', '--initial-branch=main', fresh],
          cwd: '/',
          env: { ...env, GIT_DIR: fresh },
        })
        if (made.exitCode !== 0) throw new Error(`git init ${fresh} failed: ${made.stderr.trim()}`)
        await fill(fresh)
        await rename(fresh, directory).catch(async (error: unknown) => {
          await rm(fresh, { recursive: true, force: true })
          if (!existsSync(join(directory, 'HEAD'))) throw error
        })
      })
    },
    head,
    pull,
    commit: (change) => {
      const done = commits.then(() => commit(change))
      commits = done.then(
        () => {},
        () => {},
      )
      return done
    },
    findTrailer,
    history: async (commit, pattern, limit) =>
      (await must(['log', `-${limit}`, '--format=%H', commit, '--', pattern]))
        .split('\n')
        .filter((line) => line !== '')
        .map((line) => CommitId.parse(line)),
    within: (quarantine) => readingBy(gitWith(quarantine)),
    ...readingBy(look),
  }
}

type Git = (words: readonly string[], input?: string) => Promise<CommandOutcome>

const mustRun = async (git: Git, words: readonly string[]): Promise<string> => {
  const outcome = await git(words)
  if (outcome.exitCode !== 0)
    throw new Error(`git ${words[0]} of the environments repository failed: ${outcome.stderr.trim()}`)
  return outcome.stdout.toString()
}

const readingBy = (git: Git): EnvironmentsReading => ({
  list: async (at) => {
    const lines = (await mustRun(git, ['ls-tree', '-r', '-z', at])).split('\0').filter((line) => line !== '')
    return lines.flatMap((line) => {
      const [about = '', path = ''] = line.split('\t')
      const [mode = '', kind, blob = ''] = about.split(' ')
      return kind === 'blob' && mode.startsWith('100') ? [{ path, blob }] : []
    })
  },
  readAll: async (names) => (names.length === 0 ? [] : parseBatch((await catFile(git, names)).stdout, names.length)),
})

const catFile = (git: Git, names: readonly string[]) => git(['cat-file', '--batch'], `${names.join('\n')}\n`)

const parseBatch = (output: Buffer, count: number): ({ blob: string; text: string } | null)[] => {
  const found: ({ blob: string; text: string } | null)[] = []
  for (let at = 0; found.length < count; ) {
    const end = output.indexOf(10, at)
    if (end < 0) throw new Error('git cat-file ended before it had answered')
    const [blob = '', kind, size] = output.subarray(at, end).toString().split(' ')
    at = end + 1
    if (kind !== 'blob') found.push(null)
    else {
      found.push({ blob, text: output.subarray(at, at + Number(size)).toString() })
      at += Number(size) + 1
    }
  }
  return found
}

/** `feature done` makes git refuse a stream that was cut off, as by a kill, instead of committing half of it. */
const importStream = (
  change: DesiredChange,
  parent: CommitId | null,
  now: number,
  ref: string = environmentsBranch,
): string => {
  const message = `${change.subject}\n\n${change.trailer}\n`
  return [
    'feature done',
    `commit ${ref}`,
    'mark :1',
    `committer Headway <headway@localhost> ${Math.floor(now / 1000)} +0000`,
    data(message),
    ...(parent ? [`from ${parent}`] : []),
    ...[change, ...(change.also ?? [])].flatMap(({ path, text }) =>
      text === null ? [`D ${path}`] : [`M 100644 inline ${path}`, data(text)],
    ),
    'get-mark :1',
    'done',
    '',
  ].join('\n')
}

const data = (text: string): string => `data ${Buffer.byteLength(text)}\n${text}`

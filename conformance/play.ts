import { execFileSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { failureFor } from '../src/build/failure.ts'
import { type LocalEngine, type LocalResult, openLocalEngine } from '../src/build/local.ts'
import { type Clock, systemClock } from '../src/clock.ts'
import { Problem } from '../src/problem.ts'
import type { Case } from './case.ts'

/** Plays cases, several at a time, each in a working tree of its own. */
export type Stage = AsyncDisposable & { play(one: Case): Promise<LocalResult> }

/** One engine for all cases whose time is real, and one for each of the others. */
export const openStage = (): Stage => {
  const real = openLocalEngine({ clock: systemClock, parallelJobs: 8 })
  return {
    play: async (one) => {
      const directory = makeTree(one)
      try {
        if (one.passes === undefined) return await playIn(directory, one, await real, () => undefined).catch(refused)
        const hourglass = turnedAt(one.passes)
        await using engine = await openLocalEngine({ clock: hourglass.clock, parallelJobs: 8 })
        return await playIn(directory, one, engine, hourglass.hear).catch(refused)
      } finally {
        rmSync(directory, { recursive: true, force: true })
      }
    },
    [Symbol.asyncDispose]: async () => (await real)[Symbol.asyncDispose](),
  }
}

/** What is refused before there is a run, as a dispatch with a wrong input. */
const refused = (error: unknown): LocalResult => {
  if (!(error instanceof Problem)) throw error
  const { detail, where = null } = error
  return { conclusion: 'failure', runs: [], notes: [], failure: failureFor(detail, { where }) }
}

const playIn = (
  directory: string,
  one: Case,
  engine: LocalEngine,
  hear: (text: string) => void,
): Promise<LocalResult> => {
  const { event: name, action, ref, baseRef, headRef, payload, inputs, cancelAt } = one
  const cancel = new AbortController()
  const event = {
    name,
    ...(action === undefined ? {} : { action }),
    ...(ref === undefined ? {} : { ref }),
    ...(baseRef === undefined ? {} : { baseRef }),
    ...(headRef === undefined ? {} : { headRef }),
    ...(payload === undefined ? {} : { payload }),
    ...(inputs === undefined ? {} : { inputs }),
  }
  const onLine = (_job: string, text: string): void => {
    hear(text)
    if (text === cancelAt) cancel.abort()
  }
  return engine.run(
    {
      directory,
      workflow: one.only ?? null,
      event,
      secrets: one.secrets,
      variables: one.vars,
      actor: 'user:mona',
      onLine,
    },
    { cancel: cancel.signal },
  )
}

/** A clock whose waits of just so long are over once the line was heard; `hear` is told each line. */
const turnedAt = ({ seconds, at }: NonNullable<Case['passes']>): { clock: Clock; hear(text: string): void } => {
  const heard = new AbortController()
  const sleep = async (ms: number, signal?: AbortSignal): Promise<void> => {
    if (ms !== seconds * 1000) return systemClock.sleep(ms, signal)
    const either = AbortSignal.any([heard.signal, ...(signal ? [signal] : [])])
    await systemClock.sleep(ms, either).catch(() => signal?.throwIfAborted())
  }
  return {
    clock: { ...systemClock, sleep },
    hear: (text) => {
      if (text === at) heard.abort()
    },
  }
}

/** The case's files; where it says what changed, all others are committed. */
const makeTree = ({ files, changed }: Case): string => {
  const directory = mkdtempSync(join(tmpdir(), 'case-'))
  const write = (path: string, text: string): void => {
    mkdirSync(dirname(join(directory, path)), { recursive: true })
    writeFileSync(join(directory, path), text)
  }
  for (const [path, text] of Object.entries(files)) write(path, text)
  if (changed === undefined) return directory
  for (const args of [
    ['init', '-q', '-b', 'main'],
    ['add', '-A'],
    ['commit', '-q', '-m', 'Before'],
  ])
    execFileSync('git', args, { cwd: directory, env: gitEnvironment, stdio: 'pipe' })
  for (const path of changed) write(path, 'changed\n')
  return directory
}

const gitEnvironment = {
  PATH: process.env.PATH ?? '/usr/bin:/bin',
  HOME: '/nonexistent',
  GIT_AUTHOR_NAME: 'Mona',
  GIT_AUTHOR_EMAIL: 'mona@example.org',
  GIT_COMMITTER_NAME: 'Mona',
  GIT_COMMITTER_EMAIL: 'mona@example.org',
}

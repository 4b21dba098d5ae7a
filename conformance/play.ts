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

/** One engine for each speed of the clock, opened when it is first needed. */
export const openStage = (): Stage => {
  const engines = new Map<number, Promise<LocalEngine>>()
  const engineFor = (speed: number): Promise<LocalEngine> => {
    const engine = engines.get(speed) ?? openLocalEngine({ clock: clockAt(speed), parallelJobs: 8 })
    engines.set(speed, engine)
    return engine
  }
  return {
    play: async (one) => {
      const directory = makeTree(one)
      try {
        return await playIn(directory, one, await engineFor(one.speed)).catch(refused)
      } finally {
        rmSync(directory, { recursive: true, force: true })
      }
    },
    [Symbol.asyncDispose]: async () => {
      for (const engine of engines.values()) await (await engine)[Symbol.asyncDispose]()
    },
  }
}

/** What is refused before there is a run, as a dispatch with a wrong input. */
const refused = (error: unknown): LocalResult => {
  if (!(error instanceof Problem)) throw error
  const { detail, where = null } = error
  return { conclusion: 'failure', runs: [], notes: [], failure: failureFor(detail, { where }) }
}

const playIn = (directory: string, one: Case, engine: LocalEngine): Promise<LocalResult> => {
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
      ...(cancelAt === undefined ? {} : { onLine }),
    },
    { cancel: cancel.signal },
  )
}

const clockAt = (speed: number): Clock =>
  speed === 1 ? systemClock : { ...systemClock, sleep: (ms, signal) => systemClock.sleep(ms / speed, signal) }

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

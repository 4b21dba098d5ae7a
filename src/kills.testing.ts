import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join, relative } from 'node:path'

// Where and how often the crash tests of the rooms kill. `npm run crash`, which CI runs, kills once at each effect, before or after it, and
// on both sides of those that a test names; with HEADWAY_KILLS=all (`npm run soak -- marks`) before and after every effect, twice in a row.

const isExhaustive = process.env.HEADWAY_KILLS === 'all'

/** How often in a row a process is killed at its mark. */
export const killsInARow = isExhaustive ? 2 : 1

/** How long all kills of one test may take. */
export const patienceMs = isExhaustive ? 1_800_000 : 600_000

/** However many effects a room has, CI kills at no more of them than these. */
const mostEffects = 48

/**
 * The marks (`<effect>:before`, `<effect>:after`) to kill at, of those that a life passes. Which side it is, and which effects where there
 * are too many, follows from their names alone: the same with every run.
 */
export const marksToKillAt = (passed: Iterable<string>, onBothSides: readonly string[] = []): string[] => {
  const marks = [...new Set(passed)]
  if (isExhaustive) return marks
  const isNamed = (effect: string): boolean => onBothSides.includes(effect)
  const effects = [...new Set(marks.map(effectOf))].toSorted(
    (one, other) => Number(isNamed(other)) - Number(isNamed(one)) || numberOf(one) - numberOf(other),
  )
  const taken = new Set(effects.slice(0, mostEffects))
  return marks.filter((mark) => {
    const effect = effectOf(mark)
    if (!taken.has(effect) || isNamed(effect)) return taken.has(effect)
    const wanted = `${effect}:${numberOf(effect) % 2 === 0 ? 'before' : 'after'}`
    return mark === wanted || !marks.includes(wanted)
  })
}

const effectOf = (mark: string): string => mark.replace(/:(before|after)$/, '')

/** FNV-1a, so that names that are alike come out unlike. */
const numberOf = (name: string): number => {
  let hash = 0x811c9dc5
  for (const byte of Buffer.from(name)) hash = Math.imul(hash ^ byte, 0x01000193) >>> 0
  return hash >>> 3
}

/** With this a process and its successors kill themselves at the mark, in all as often as a mark is killed at; each kill is a file there. */
export const killedAt = (mark: string, directory: string): Record<string, string> => ({
  ...killedOnceAt(mark),
  HEADWAY_FAILPOINT_TIMES: `${killsInARow}:${directory}`,
})

/** The same, once the life has passed the mark so often. */
export const killedLaterAt = (mark: string, passes: number, directory: string): Record<string, string> => ({
  ...killedAt(mark, directory),
  HEADWAY_FAILPOINT_SKIP: String(passes),
})

/** A few of many by their names alone, the same with every run; all of them with HEADWAY_KILLS=all. */
export const sampleOf = (names: readonly string[], count: number): readonly string[] =>
  isExhaustive ? names : names.toSorted((one, other) => numberOf(one) - numberOf(other)).slice(0, count)

/** With this each process kills itself at the mark. */
export const killedOnceAt = (mark: string): Record<string, string> => {
  const { HEADWAY_KILLS_SEEN: seen } = process.env // a directory: for each test file, where it killed
  const file = relative(join(import.meta.dirname, '..'), process.argv[1] ?? '')
  return {
    HEADWAY_FAILPOINT: mark,
    ...(seen ? { HEADWAY_FAILPOINT_KILLS: join(seen, file.replaceAll('/', '+')) } : {}),
  }
}

/** What a life needs of this process's environment; without the compile cache each one would compile all of its modules. */
export const lifeEnvironment = (): Record<string, string> => {
  const { PATH = '', NODE_COMPILE_CACHE } = process.env
  return { PATH, ...(NODE_COMPILE_CACHE ? { NODE_COMPILE_CACHE } : {}) }
}

/** How a process that may have killed itself ended, and what it printed. */
export type Life = { readonly signal: NodeJS.Signals | null; readonly said: string }

/** Lets a program (`argv`: its file and what it is given) live in a process of its own; rejects with its complaints when it fails. */
export const liveOnce = async (argv: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<Life> => {
  const child = spawn(process.execPath, ['--disable-warning=ExperimentalWarning', ...argv], {
    env: { ...lifeEnvironment(), ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let said = ''
  let complaints = ''
  child.stdout.on('data', (chunk: Buffer) => {
    said += chunk.toString('utf8')
  })
  child.stderr.on('data', (chunk: Buffer) => {
    complaints += chunk.toString('utf8')
  })
  await once(child, 'close')
  const { exitCode, signalCode: signal } = child
  if (exitCode !== 0 && signal !== 'SIGKILL')
    throw new Error(`${argv.join(' ')} ended with ${exitCode ?? signal}: ${complaints}`)
  return { signal, said }
}

/** The same, and again for as long as it kills itself: `kills` is how often it did, `said` what the last one printed. */
export const liveThrough = async (
  argv: readonly string[],
  env: Readonly<Record<string, string>>,
): Promise<{ readonly kills: number; readonly said: string }> => {
  for (let kills = 0; ; kills += 1) {
    const { signal, said } = await liveOnce(argv, env)
    if (signal === null) return { kills, said }
  }
}

/** Does the work for each, so many at a time; rejects with the first failure when those that had begun have ended. */
export const sideBySide = async <Item>(
  items: readonly Item[],
  work: (item: Item) => Promise<void>,
  atOnce = 2,
): Promise<void> => {
  const left = [...items]
  const worker = async (): Promise<void> => {
    for (let item = left.shift(); item !== undefined; item = left.shift()) await work(item)
  }
  const ended = await Promise.allSettled(Array.from({ length: atOnce }, worker))
  for (const one of ended) if (one.status === 'rejected') throw one.reason
}

import type { ChildProcess } from 'node:child_process'
import { readFileSync } from 'node:fs'
import type { Readable, Writable } from 'node:stream'
import type { Clock } from '../../clock.ts'
import { childrenOf } from '../../processes/tree.ts'
import { commandOf, type InnerShell, inTurn, openInnerShell, starterScript } from './inner-shell.ts'

export type StartersParts = {
  /** A shell where the job's programs are to run, which obeys its standard input and has `starterDescriptors`. */
  readonly child: ChildProcess
  /** Its id on this machine. */
  readonly pid: number | null
  /** What is done first: limits that all programs inherit. */
  readonly limits: string
  /** See `InnerShellParts`. */
  readonly pipes: string
  readonly clock: Clock
  /** Rejects with what was said when the shell has ended. */
  readonly fault: Promise<never>
}

/** The pipes of the starters, behind five descriptors of the shell's own. */
export const starterDescriptors = ['pipe', 'pipe', 'pipe', 'pipe'] as const

/** The two shells that start a job's programs in turn, opened in one that is where the job belongs. */
export const openStarters = async ({ child, pid, limits, pipes, clock, fault }: StartersParts): Promise<InnerShell> => {
  const open = (name: string, input: number): Promise<InnerShell> => {
    const [orders, answers] = pipesOf(child, input)
    let known: number | null = null
    const shellPid = (): number | null => {
      known ??= startersOf(pid).find((one) => isCalled(one, commandOf(name))) ?? null
      return known
    }
    return openInnerShell({ stdin: orders, stdout: answers, pid: shellPid, name, pipes, clock })
  }
  child.stdin?.write(`${limits}${bothShells(pipes)}\n`)
  const one = await Promise.race([open('one', 5), fault])
  if (!one.isSound()) await fault // which says why
  const openOther = (): Promise<InnerShell> => {
    pipesOf(child, 7)[0].write('go\n')
    return Promise.race([open('other', 7), fault])
  }
  return inTurn(one, openOther)
}

/** The starters in a shell, below those that watch them. */
export const startersOf = (shell: number | null): number[] =>
  shell === null ? [] : childrenOf(shell).flatMap(childrenOf)

/** Rejects with what the program said before it ended. */
export const faultOf = (child: ChildProcess, otherwise: string): Promise<never> => {
  let said = ''
  child.stderr?.on('data', (chunk: Buffer) => {
    said = (said + chunk.toString()).slice(0, 2000)
  })
  const fault = new Promise<never>((_, reject) => {
    child.once('error', reject)
    child.once('close', () => reject(new Error(said.trim() || otherwise)))
  })
  fault.catch(() => undefined) // also when nobody waits any more
  return fault
}

/** What keeps a job's starters. */
type Kept = { readonly shell: InnerShell; end(): Promise<void> }

/** Made once, and anew where a program has killed all that it could reach. */
export const keptWhileSound = <Made extends Kept>(make: () => Promise<Made>) => {
  let keeping: Promise<Made> | null = null
  const end = async (): Promise<void> => {
    const ending = await keeping?.catch(() => null)
    keeping = null
    await ending?.end()
  }
  const get = async (): Promise<Made> => {
    const earlier = await keeping?.catch(() => null)
    if (earlier && !earlier.shell.isSound()) await end()
    keeping ??= make()
    return keeping.catch((error: unknown) => {
      keeping = null
      throw error
    })
  }
  return { get, end }
}

const pipesOf = ({ stdio }: ChildProcess, input: number): readonly [Writable, Readable] => {
  const [stdin, stdout] = [stdio[input], stdio[input + 1]]
  if (!stdin || !stdout || !('write' in stdin) || !('read' in stdout)) throw new Error('the starters have no pipes')
  return [stdin, stdout]
}

const ownClosed = [3, 4, 5, 6, 7, 8].map((descriptor) => `${descriptor}>&-`).join(' ')
const kept = (name: string, pipes: string, input: number, before = ''): string =>
  `{ ${before}(${starterScript(name, pipes)}) <&${input} >&${input + 1} ${ownClosed}; echo lost >&${input + 1}; }`

/**
 * Each is watched by one that tells of its end, as others hold its outputs open, too. They are a pipeline, which they make no use of, as a shell
 * has what it starts in the background ignore signals for good. The other one begins when it is told to.
 */
const bothShells = (pipes: string): string =>
  `printf job-starter >/proc/$$/comm; trap '' HUP INT QUIT TERM; exec 2>/dev/null; ${kept('one', pipes, 5)} | ${kept('other', pipes, 7, 'read -r go <&7 && ')}`

const isCalled = (pid: number, command: string): boolean => {
  try {
    return readFileSync(`/proc/${pid}/comm`, 'latin1').startsWith(command.slice(0, 15)) // the kernel keeps no more
  } catch {
    return false
  }
}

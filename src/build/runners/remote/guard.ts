import { type ChildProcess, spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { z } from 'zod'
import { effectSync } from '../../../effect.ts'
import type { KeptJob } from './records.ts'

/** Ends jobs that the runner itself cannot end any more. */
export type Guard = {
  /** From now on the job is killed at that time of `bootClock`, and as soon as the runner dies. Resolves once that holds. */
  watch(kept: KeptJob, killAtMs: number): Promise<void>
  renew(fence: number, killAtMs: number): void
  /** Nothing of the job runs any more. */
  release(fence: number): void
  close(): Promise<void>
}

/** What the watchdog is told, one JSON object a line; it answers a `watch` with the line `watching <fence>`. */
export const Told = z.discriminatedUnion('kind', [
  z.object({
    kind: z.literal('watch'),
    fence: z.number(),
    marker: z.string(),
    directory: z.string(),
    killAtMs: z.number(),
  }),
  z.object({ kind: z.literal('renew'), fence: z.number(), killAtMs: z.number() }),
  z.object({ kind: z.literal('release'), fence: z.number() }),
])
export type Told = z.infer<typeof Told>

const program = fileURLToPath(
  new URL(import.meta.url.endsWith('.ts') ? './watchdog.ts' : './watchdog.js', import.meta.url),
)

/** A process of its own, started with the first job: it outlives the runner for as long as it takes to end what that has left running. */
export const startGuard = (report: (message: string) => void): Guard => {
  const watched = new Map<number, Told & { kind: 'watch' }>()
  const answers = new Map<number, () => void>()
  let dog: ChildProcess | null = null
  let isClosed = false

  const start = (): ChildProcess => {
    const child = effectSync('runner.start-watchdog', () =>
      spawn(process.execPath, ['--disable-warning=ExperimentalWarning', '--max-semi-space-size=2', program], {
        detached: true,
        stdio: ['pipe', 'pipe', 'inherit'],
        env: { PATH: process.env.PATH ?? '/usr/bin:/bin' },
      }),
    )
    let rest = ''
    child.stdout.on('data', (chunk: Buffer) => {
      const lines = (rest + chunk.toString()).split('\n')
      rest = lines.pop() ?? ''
      for (const line of lines) answers.get(Number(line.replace('watching ', '')))?.()
    })
    child.stdin.on('error', () => undefined) // it has died; said below
    child.once('exit', () => {
      dog = null
      if (isClosed) return
      report('the watchdog of this runner has died; another takes its place')
      if (watched.size > 0) for (const told of watched.values()) tell(told)
    })
    return child
  }
  const tell = (told: Told): void => {
    dog ??= start()
    dog.stdin?.write(`${JSON.stringify(told)}\n`)
  }
  return {
    watch: async ({ fence, marker, directory }, killAtMs) => {
      const { promise, resolve } = Promise.withResolvers<void>()
      answers.set(fence, resolve)
      const told = { kind: 'watch' as const, fence, marker, directory, killAtMs }
      watched.set(fence, told)
      tell(told)
      await promise
      answers.delete(fence)
    },
    renew: (fence, killAtMs) => {
      const known = watched.get(fence)
      if (!known) return
      watched.set(fence, { ...known, killAtMs })
      tell({ kind: 'renew', fence, killAtMs })
    },
    release: (fence) => {
      if (watched.delete(fence)) tell({ kind: 'release', fence })
    },
    close: async () => {
      isClosed = true
      const child = dog
      if (child === null) return
      const ended = new Promise((resolve) => child.once('exit', resolve))
      child.stdin?.end()
      await ended
    },
  }
}

import { createInterface } from 'node:readline'
import { endFamily } from '../../jobs/processes.ts'
import { leaseRules } from '../lease.ts'
import { bootClock } from './boot-clock.ts'
import { Told } from './guard.ts'

// The process beside a runner that ends its jobs when the runner cannot: at the end of a lease that was not renewed, and when the runner
// has died, which its standard input tells. It knows of the jobs what it is told there, and nothing else.

type Watched = { readonly marker: string; readonly directory: string; killAtMs: number }
const watched = new Map<number, Watched>()

const end = async ({ marker, directory }: Watched): Promise<void> => {
  await endFamily({ marker, directory, sessions: new Set(), user: 'anyone' }, bootClock)
}

const obey = (told: Told): void => {
  const known = watched.get(told.fence)
  if (told.kind === 'release') watched.delete(told.fence)
  else if (told.kind === 'renew' && known) known.killAtMs = Math.max(known.killAtMs, told.killAtMs)
  else if (told.kind === 'watch') {
    watched.set(told.fence, { ...told })
    process.stdout.write(`watching ${told.fence}\n`)
  }
}

process.stdout.on('error', () => undefined) // the runner has died; its standard input has ended, too
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => undefined) // it ends with its runner

const lines = createInterface({ input: process.stdin })
lines.on('line', (line) => obey(Told.parse(JSON.parse(line))))
const isOver = new Promise<void>((resolve) => lines.once('close', resolve))

const watch = async (): Promise<never> => {
  for (;;) {
    await bootClock.sleep(leaseRules.killTickMs)
    // Again and again until it is released: a runner that was held up may still be starting the next step.
    const late = [...watched.values()].filter(({ killAtMs }) => bootClock.monotonicMs() >= killAtMs)
    await Promise.all(late.map(end))
  }
}
await Promise.race([isOver, watch()])
await Promise.all(Array.from(watched.values(), end))
process.exit()

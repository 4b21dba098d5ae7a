import { spawn } from 'node:child_process'
import { closeSync, openSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Clock } from '../../clock.ts'
import { type AcmeSettings, acmeDirectory, loadSettings } from '../../edge/settings.ts'
import { effectSync } from '../../effect.ts'
import type { Say } from '../say.ts'
import { cleanEnvironment } from '../start.ts'
import { isDue, orderable } from './due.ts'
import { openShelf } from './shelf.ts'

export type KeptCertificates = {
  /** Looks now: names have come. */
  look(): void
  /** Looks no more; an order that is under way goes on. */
  leave(): void
}

const lookMs = 60_000
/** After one that was killed, or could not even begin. */
const brokenPauseMs = 5_000

/**
 * Sees to it that each name has a certificate of the authority in the settings, and that it is renewed in time. What orders them is a
 * process of its own, one at a time, started only when something is due.
 */
export const keepCertificates = (options: {
  state: string
  clock: Clock
  say: Say
  /** The names that lead here. */
  names: () => readonly string[]
}): KeptCertificates => {
  const { state, clock, say } = options
  let isOrdering = false

  const due = (): { acme: AcmeSettings; names: string[]; hasLeftovers: boolean } | null => {
    const acme = loadSettings(state, say).tls?.acme
    if (!acme) return null
    const shelf = openShelf(acmeDirectory(state))
    const wanted = orderable(acme.names.length > 0 ? acme.names : options.names())
    const now = clock.now()
    const names = wanted.filter((name) => isDue(shelf.held(name), shelf.tries(name), acme.renewAt, now))
    return { acme, names, hasLeftovers: shelf.hasLeftovers() }
  }

  const look = (): void => {
    if (isOrdering) return
    const found = due()
    if (!found || (found.names.length === 0 && !found.hasLeftovers)) return
    isOrdering = true
    const log = openSync(join(state, 'acme.log'), 'a', 0o600)
    const suffix = import.meta.url.endsWith('.ts') ? '.ts' : '.js'
    const program = fileURLToPath(new URL(`./main${suffix}`, import.meta.url))
    const trusted = found.acme.ca === null ? {} : { NODE_EXTRA_CA_CERTS: found.acme.ca }
    const child = effectSync('agent.acme-spawn', () =>
      spawn(process.execPath, ['--disable-warning=ExperimentalWarning', program, state, ...found.names.slice(0, 100)], {
        stdio: ['ignore', log, log],
        env: { ...cleanEnvironment(), ...trusted },
      }),
    )
    closeSync(log)
    const over = (pauseMs: number): void => {
      isOrdering = false
      setTimeout(lookSafely, pauseMs).unref() // names may have come meanwhile
    }
    child.once('error', (error) => {
      say(`acme: ${error.message}`)
      over(lookMs)
    })
    child.once('exit', (code) => over(code === 0 ? 1_000 : brokenPauseMs))
    child.unref()
  }

  const lookSafely = (): void => {
    try {
      look()
    } catch (error) {
      say(`acme: ${error instanceof Error ? error.message : String(error)}`)
    }
  }
  const timer = setInterval(lookSafely, lookMs)
  timer.unref()
  setImmediate(lookSafely)
  return { look: lookSafely, leave: () => clearInterval(timer) }
}

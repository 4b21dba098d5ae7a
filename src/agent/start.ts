import { spawn } from 'node:child_process'
import { closeSync, openSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { effectSync } from '../effect.ts'

/** The descriptor on which an agent finds the edge's listening socket; it never accepts on it. */
export const agentListenFd = 3
/** That for TLS, where there is one. */
export const agentTlsFd = 4

const own = (name: string): string =>
  fileURLToPath(new URL(`./${name}${import.meta.url.endsWith('.ts') ? '.ts' : '.js'}`, import.meta.url))

/**
 * Starts an agent that outlives whoever started it and inherits these listening sockets. Node only, nothing else: the edge calls it too, for
 * the successor of an agent that died.
 */
export const startAgent = ({
  home,
  listenFd,
  tlsFd,
  program = own('main'),
  flags = [],
}: {
  home: string
  listenFd: number
  tlsFd: number | null
  /** Another that keeps edges (src/alone/main.ts). */
  program?: string
  flags?: readonly string[]
}): void => {
  const log = openSync(join(home, 'agent', 'agent.log'), 'a', 0o600)
  const child = effectSync('agent.start', () =>
    spawn(
      process.execPath,
      [
        // Each thread of V8's own keeps half a megabyte or more.
        ...['--disable-warning=ExperimentalWarning', '--max-semi-space-size=2', '--v8-pool-size=1'],
        ...[program, '--home', home],
        ...(tlsFd === null ? [] : ['--tls']),
        ...flags,
      ],
      {
        detached: true,
        stdio: ['ignore', log, log, listenFd, ...(tlsFd === null ? [] : [tlsFd])],
        env: cleanEnvironment(),
      },
    ),
  )
  child.unref()
  closeSync(log)
}

/** What a process of Headway's needs of its environment: where programs are, and the failpoints of the tests. Never a secret. */
export const cleanEnvironment = (env: NodeJS.ProcessEnv = process.env): NodeJS.ProcessEnv =>
  Object.fromEntries(
    Object.entries(env).filter(([name]) =>
      /^(PATH|HOME|USER|LANG|LC_ALL|TZ|TMPDIR|XDG_CACHE_HOME|NODE_COMPILE_CACHE|HEADWAY_(TRUSTED_PROXIES|EDGE_WORKERS|FAILPOINT\w*))$/.test(
        name,
      ),
    ),
  )

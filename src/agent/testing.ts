import { chmodSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { request } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { systemClock } from '../clock.ts'
import type { EdgeSettings } from '../edge/settings.ts'
import { type Home, homeAt, isRoot, prepareHome } from '../home.ts'
import { allPids, environmentOf, identityOf, sendSignal } from '../processes/tree.ts'
import { connectProcessRuntime, type ProcessRuntime } from '../runtimes/process/index.ts'
import { markedInstance } from './leftovers.ts'
import type { InstanceSpec, RouteTable } from './protocol.ts'

/** A home of a test's own with its agent; `end` stops everything and says what would not go. */
export type TestAgent = {
  readonly home: Home
  readonly runtime: ProcessRuntime
  /** Puts files into a directory of its own, as a release would be. */
  files(contents: Readonly<Record<string, string>>): string
  end(): Promise<void>
}

export const startTestAgent = (edgePort = 0): Promise<TestAgent> => openTestAgent(testHome(), undefined, edgePort)

/** The same on a home that was there before. */
export const openTestAgent = async (home: Home, edgeSettings?: EdgeSettings, edgePort = 0): Promise<TestAgent> => {
  const runtime = await connectProcessRuntime({
    ...{ home, clock: systemClock, edgeHost: '127.0.0.1', edgePort },
    ...(edgeSettings ? { edgeSettings } : {}),
  })
  let releases = 0
  return {
    home,
    runtime,
    files: (contents) => {
      releases += 1
      const directory = join(home.images, `release-${releases}`)
      mkdirSync(directory, { recursive: true, mode: 0o755 })
      for (const [name, content] of Object.entries(contents))
        writeFileSync(join(directory, name), content, { mode: 0o644 })
      return directory
    },
    end: async () => {
      await runtime.shutdown('stop')
      await endHome(home)
    },
  }
}

export const testHome = (): Home => {
  const root = mkdtempSync(join(tmpdir(), 'hw-agent-'))
  chmodSync(root, 0o711)
  const home = homeAt(root)
  prepareHome(home)
  return home
}

/** Ends what still runs for the home, whoever started it, and removes its directory. */
export const endHome = async (home: Home): Promise<void> => {
  for (let round = 0; round < 200; round += 1) {
    const left = processesOf(home)
    if (left.length === 0) break
    for (const pid of left) sendSignal(pid, 'SIGKILL')
    await systemClock.sleep(10)
  }
  rmSync(home.root, { recursive: true, force: true, maxRetries: 3 })
}

/** Agents, edges and instances of the home. */
export const processesOf = (home: Home): number[] =>
  allPids().filter((pid) => {
    if (identityOf(pid) === null || pid === process.pid) return false
    if (markedInstance(pid, home.instances) !== null) return true
    return commandLine(pid).includes(home.root) || environmentOf(pid).includes(`HEADWAY_EDGE_HOME=${home.root}`)
  })

export const agentsOf = (home: Home): number[] =>
  allPids().filter((pid) => identityOf(pid) !== null && isAgentOf(home, commandLine(pid)))

const isAgentOf = (home: Home, line: string): boolean => line.includes('agent/main.ts') && line.includes(home.root)

const commandLine = (pid: number): string => {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'latin1')
  } catch {
    return ''
  }
}

/** A service that answers on PORT; `extra` is run before it listens. */
export const answeringService = (extra = ''): string => `
import { createServer } from 'node:http'
${extra}
createServer((asked, answer) => answer.end(process.env.HEADWAY_INSTANCE)).listen(Number(process.env.PORT), process.env.HOST)
process.on('SIGTERM', () => process.exit(0))
`

export const specOf = (id: string, change: Partial<InstanceSpec> = {}): InstanceSpec => ({
  id,
  owner: { project: 'default', service: 'shop', environment: 'production', release: 'one', commit: 'c0ffee' },
  files: null,
  workingDirectory: '.',
  argv: [process.execPath, 'server.mjs'],
  env: { PATH: process.env.PATH ?? '' },
  port: null,
  health: { kind: 'http', path: '/', intervalMs: 100, timeoutMs: 1_000, failures: 2 },
  readyTimeoutMs: 15_000,
  stop: { signal: 'SIGTERM', drainMs: 2_000, graceMs: 5_000 },
  limits: { memoryBytes: null, cpus: null, processes: null },
  user: isRoot() ? { uid: 61_990, gid: 61_990 } : null,
  ...change,
})

export const tableOf = (generation: number, ...instances: string[]): RouteTable => ({
  generation,
  routes: [{ hosts: ['shop.test'], service: 'shop', pools: [{ version: 'one', weight: 1, instances }] }],
})

/** Asks the edge for shop.test over a connection of its own: the status and the body, or the error's code. */
export const askEdge = (port: number): Promise<string> =>
  new Promise((resolve) => {
    const asked = request({ port, host: '127.0.0.1', agent: false, headers: { host: 'shop.test' } }, (response) => {
      let body = ''
      response.on('data', (text: Buffer) => {
        body += text
      })
      response.on('end', () => resolve(response.statusCode === 200 ? `200 ${body}` : String(response.statusCode)))
      response.on('error', () => resolve('broken'))
    })
    asked.on('error', (error) => resolve('code' in error ? String(error.code) : error.message))
    asked.end()
  })

/** Resolves when the question is answered with yes; rejects after the limit, so that a test fails rather than hangs. */
export const until = async (question: () => boolean | Promise<boolean>, limitMs = 15_000): Promise<void> => {
  const deadline = systemClock.monotonicMs() + limitMs
  while (!(await question())) {
    if (systemClock.monotonicMs() > deadline) throw new Error(`not so within ${limitMs} ms: ${question}`)
    await systemClock.sleep(10)
  }
}

export const directoriesIn = (path: string): string[] => readdirSync(path)

import { spawn } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { type IncomingMessage, request } from 'node:http'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import type { AgentHealth, LogLine } from '../../agent/protocol.ts'
import { cleanEnvironment } from '../../agent/start.ts'
import type { Clock } from '../../clock.ts'
import { effect } from '../../effect.ts'
import type { Home } from '../../home.ts'
import { Problem } from '../../problem.ts'
import type { Runtime } from '../runtime.ts'

export type ProcessRuntime = Runtime & {
  health(): Promise<AgentHealth>
  /** A new edge takes over without a refused connection; its process id. */
  replaceEdge(): Promise<number>
  /** The agent ends; with `stop` all instances and the edge end first. Nothing happens when no agent answers. */
  shutdown(instances: 'keep' | 'stop'): Promise<void>
}

export type ProcessRuntimeOptions = {
  readonly home: Home
  readonly clock: Clock
  readonly edgeHost: string
  readonly edgePort: number
}

/**
 * The runtime on this machine: the agent of this home, started when none answers. A call that meets the agent's restart is repeated, since every
 * verb may be. Rejects with a Problem when the edge's port is in use.
 */
export const connectProcessRuntime = async (options: ProcessRuntimeOptions): Promise<ProcessRuntime> => {
  const { home, clock } = options
  const socketPath = join(home.sockets, 'agent.sock')

  /** Starts an agent unless one answers; the edge restarts a dead one by itself, so give it a moment first. */
  const ensureAgent = async (): Promise<void> => {
    if (await answers(socketPath)) return
    await startFirstAgent(options)
    for (const until = clock.monotonicMs() + 20_000; !(await answers(socketPath)); await clock.sleep(20))
      if (clock.monotonicMs() > until)
        throw new Problem({
          kind: 'agent-silent',
          status: 503,
          detail: "the machine's agent did not answer within 20 s",
          next: `read ${join(home.agent, 'agent.log')}`,
        })
  }

  const call = async <Answer>(
    method: string,
    path: string,
    body?: unknown,
    signal?: AbortSignal,
  ): Promise<Answer | null> => {
    for (let attempt = 0; ; attempt += 1) {
      try {
        return await ask<Answer>(socketPath, method, path, body, signal)
      } catch (error) {
        if (signal?.aborted || error instanceof Problem || attempt >= 100) throw error
        await clock.sleep(50, signal) // the agent is being replaced
        if (attempt === 40) await ensureAgent()
      }
    }
  }
  const must = async <Answer>(method: string, path: string, body?: unknown, signal?: AbortSignal): Promise<Answer> => {
    const answer = await call<Answer>(method, path, body, signal)
    if (answer === null) throw new Error(`the agent has nothing at ${method} ${path}`)
    return answer
  }
  const at = (id: string): string => `/instances/${encodeURIComponent(id)}`

  await ensureAgent()
  return {
    health: () => must('GET', '/health'),
    start: (spec) => effect('runtime.start-instance', () => must('PUT', at(spec.id), spec)),
    settled: (id, timeoutMs, signal) =>
      call('GET', `${at(id)}/settled?timeoutMs=${Math.round(timeoutMs)}`, undefined, signal),
    stop: (id) => effect('runtime.stop-instance', () => must('DELETE', at(id))),
    instances: () => must('GET', '/instances'),
    route: async (table) => {
      await effect('runtime.route', () => must('PUT', '/routes', table))
    },
    routes: () => must('GET', '/routes'),
    events: (after, waitMs, signal) =>
      must('GET', `/events?after=${after}&waitMs=${Math.round(waitMs)}`, undefined, signal),
    traffic: () => must('GET', '/traffic'),
    logs: (query, signal) => logLines(socketPath, query, signal),
    replaceEdge: async () => (await must<{ pid: number }>('POST', '/edge/replace')).pid,
    shutdown: async (instances) => {
      if (await answers(socketPath))
        await effect('runtime.shutdown', () => ask(socketPath, 'POST', '/shutdown', { instances }))
    },
  }
}

/** Opens the edge's port (the one of last time when any would do) and starts an agent that holds it. */
const startFirstAgent = ({ home, edgeHost, edgePort }: ProcessRuntimeOptions): Promise<void> =>
  effect('runtime.start-agent', () => {
    const port = edgePort === 0 ? lastPort(home) : edgePort
    return openAndStart(home, edgeHost, port).catch((error: unknown) => {
      if (edgePort === 0 && port !== 0) return openAndStart(home, edgeHost, 0) // somebody else took it meanwhile, and any will do
      throw error
    })
  })

const openAndStart = (home: Home, host: string, port: number): Promise<void> =>
  new Promise((resolve, reject) => {
    const program = fileURLToPath(
      new URL(`../../agent/listen${import.meta.url.endsWith('.ts') ? '.ts' : '.js'}`, import.meta.url),
    )
    const child = spawn(
      process.execPath,
      ['--disable-warning=ExperimentalWarning', program, home.root, home.agent, host, String(port)],
      {
        stdio: ['ignore', 'ignore', 'pipe'],
        env: cleanEnvironment(),
      },
    )
    let said = ''
    child.stderr.on('data', (text: Buffer) => {
      said += text
    })
    child.once('error', reject)
    child.once('close', (code) => (code === 0 ? resolve() : reject(portProblem(port, host, said))))
  })

const portProblem = (port: number, host: string, said: string): Error => {
  if (said.includes('EADDRINUSE'))
    return new Problem({
      kind: 'port-in-use',
      status: 409,
      detail: `port ${port} on ${host}, where services are to be reached, is in use by another program`,
      next: 'choose another with --edge-port (0 picks a free one)',
    })
  if (said.includes('EACCES'))
    return new Problem({
      kind: 'port-forbidden',
      status: 403,
      detail: `port ${port} on ${host} may not be opened by this user`,
      next: 'choose one above 1023 with --edge-port',
    })
  return new Error(`the edge's port ${port} on ${host} could not be opened: ${said}`)
}

const lastPort = (home: Home): number => {
  const file = join(home.agent, 'listening.json')
  return existsSync(file) ? Number(JSON.parse(readFileSync(file, 'utf8')).port) : 0
}

const answers = (socketPath: string): Promise<boolean> =>
  ask(socketPath, 'GET', '/health').then(
    () => true,
    () => false,
  )

/** One call; null for 404. Rejects with the agent's Problem, or with what broke the connection. */
const ask = <Answer>(
  socketPath: string,
  method: string,
  path: string,
  body?: unknown,
  signal?: AbortSignal,
): Promise<Answer | null> =>
  new Promise((resolve, reject) => {
    const text = body === undefined ? '' : JSON.stringify(body)
    const asking = request(
      {
        socketPath,
        method,
        path,
        agent: false,
        ...(signal ? { signal } : {}),
        headers: { 'content-type': 'application/json', 'content-length': Buffer.byteLength(text) },
      },
      (answer) => {
        collect(answer).then((said) => {
          const status = answer.statusCode ?? 500
          const value = said === '' ? null : JSON.parse(said)
          if (status === 404) resolve(null)
          else if (status >= 300)
            reject(
              new Problem({
                kind: value.kind,
                status: value.status,
                detail: value.detail,
                ...(value.next ? { next: value.next } : {}),
              }),
            )
          else resolve(value)
        }, reject)
      },
    )
    asking.on('error', reject)
    asking.end(text)
  })

const collect = async (answer: IncomingMessage): Promise<string> => {
  const parts: Buffer[] = []
  for await (const part of answer as AsyncIterable<Buffer>) parts.push(part)
  return Buffer.concat(parts).toString()
}

async function* logLines(
  socketPath: string,
  query: Record<string, unknown>,
  signal?: AbortSignal,
): AsyncIterable<LogLine> {
  const words = new URLSearchParams()
  for (const [name, value] of Object.entries(query)) if (value !== undefined) words.set(name, String(value))
  const answer = await new Promise<IncomingMessage>((resolve, reject) => {
    const asking = request({ socketPath, path: `/logs?${words}`, agent: false, ...(signal ? { signal } : {}) }, resolve)
    asking.on('error', reject)
    asking.end()
  })
  try {
    for await (const line of createInterface({ input: answer })) if (line !== '') yield JSON.parse(line)
  } finally {
    answer.destroy()
  }
}

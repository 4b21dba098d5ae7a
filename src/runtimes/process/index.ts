import type { IncomingMessage } from 'node:http'
import { createInterface } from 'node:readline'
import type { AgentHealth, LogLine } from '../../agent/protocol.ts'
import { type Answer, ask, open, type Question } from '../../agent/unix.ts'
import type { EdgeSamples } from '../../edge/protocol.ts'
import { effect } from '../../effect.ts'
import { describeError, Problem, type ProblemDetails } from '../../problem.ts'
import type { Runtime } from '../runtime.ts'
import { type AgentOptions, agentSocket, ensureAgent, hasLeftovers, isAnswering } from './agent.ts'

export type ProcessRuntimeOptions = AgentOptions

export type ProcessRuntime = Runtime & {
  health(): Promise<AgentHealth>
  /** A new edge takes over without a refused connection; its process id. */
  replaceEdge(): Promise<number>
  /** The agent ends; with `stop` all instances and edges end first. Nothing happens when no agent answers. */
  shutdown(instances: 'keep' | 'stop'): Promise<void>
}

/** A broken connection is an agent that is being replaced: asked again every 50 ms; after two seconds one is started. */
const againMs = 50
const startAfter = 40
const givenUpAfter = 400

/**
 * The runtime on this machine: the agent of this home, started when none answers. A call that meets the agent's restart is repeated,
 * since every verb may be. Rejects with a Problem when the edge's port is in use.
 */
export const connectProcessRuntime = async (options: ProcessRuntimeOptions): Promise<ProcessRuntime> => {
  const { home, clock } = options
  const socketPath = agentSocket(home)
  let ended = false

  /** `reach` until an agent answers. */
  const call = async <Result>(
    question: Question,
    reach: (socketPath: string, question: Question) => Promise<Result>,
  ): Promise<Result> => {
    for (let attempt = 1; ; attempt += 1) {
      try {
        return await reach(socketPath, question)
      } catch (error) {
        question.signal?.throwIfAborted()
        if (ended || attempt >= givenUpAfter) throw agentGone(error)
        await clock.sleep(againMs, question.signal)
        if (attempt % startAfter === 0) await ensureAgent(options)
      }
    }
  }
  /** What the protocol promises for the verb; the agent is of this very program, so its answers are not checked once more. */
  const must = async <Result>(method: string, path: string, rest: Partial<Question> = {}): Promise<Result> => {
    const answer = await call({ method, path, ...rest }, ask)
    if (answer.status !== 200) throw problemOf(answer)
    return answer.body as Result
  }
  const at = (id: string): string => `/instances/${encodeURIComponent(id)}`

  await ensureAgent(options)
  return {
    health: () => must('GET', '/health'),
    start: (spec) => effect('runtime.instance-start', () => must('PUT', at(spec.id), { body: spec })),
    settled: async (id, timeoutMs, signal) => {
      const path = `${at(id)}/settled?timeoutMs=${Math.ceil(timeoutMs)}`
      try {
        return await must('GET', path, { signal })
      } catch (error) {
        if (error instanceof Problem && error.kind === 'unknown-instance') return null
        throw error
      }
    },
    stop: (id) => effect('runtime.instance-stop', () => must('DELETE', at(id))),
    instances: () => must('GET', '/instances'),
    route: async (table) => {
      await effect('runtime.route', () => must('PUT', '/routes', { body: table }))
    },
    routes: () => must('GET', '/routes'),
    events: (after, waitMs, signal) => must('GET', `/events?after=${after}&waitMs=${Math.ceil(waitMs)}`, { signal }),
    traffic: (after = 0) => must('GET', `/traffic?after=${after}`),
    samples: async () => (await must<{ samples: EdgeSamples[] }>('GET', '/samples')).samples,
    logs: (query, signal) => logLines((question) => call(question, open), query, signal),
    replaceEdge: async () => {
      const { pid } = await effect('runtime.edge-replace', () => must<{ pid: number }>('POST', '/edge/replace'))
      return pid
    },
    shutdown: async (instances) => {
      ended = true
      await effect('runtime.shutdown', () => shutdown(options, instances))
    },
  }
}

const shutdownTries = 5

/** An agent that dies over it is followed by another one for as long as something is left to stop. */
const shutdown = async (options: AgentOptions, instances: 'keep' | 'stop'): Promise<void> => {
  const socketPath = agentSocket(options.home)
  for (let attempt = 1; ; attempt += 1) {
    try {
      if (await isAnswering(socketPath)) {
        const answer = await ask(socketPath, { method: 'POST', path: '/shutdown', body: { instances } })
        if (answer.status !== 200) throw problemOf(answer)
        if (instances === 'stop') while (await isAnswering(socketPath)) await options.clock.sleep(10)
        return
      }
    } catch (error) {
      if (error instanceof Problem || attempt >= shutdownTries) throw error
    }
    if (instances === 'keep' || !hasLeftovers(options.home)) return
    await ensureAgent({ ...options, edgePort: 0 })
  }
}

/** Ends the agent of this home with all that it runs, also what one that died has left running; false when there is nothing. */
export const stopProcessRuntime = async ({ home, clock }: Pick<AgentOptions, 'home' | 'clock'>): Promise<boolean> => {
  if (!(await isAnswering(agentSocket(home))) && !hasLeftovers(home)) return false
  await shutdown({ home, clock, edgeHost: '127.0.0.1', edgePort: 0 }, 'stop')
  return true
}

const agentGone = (cause: unknown): Problem =>
  new Problem(
    {
      kind: 'agent-gone',
      status: 503,
      detail: `the machine's agent does not answer: ${describeError(cause)}`,
      next: 'try again; its log is agent/agent.log in the data directory',
    },
    { cause },
  )

const problemOf = ({ status, body }: Answer): Problem => {
  const { kind, detail, next } = (body ?? {}) as Partial<ProblemDetails>
  return new Problem({
    kind: kind ?? 'agent-fault',
    status,
    detail: detail ?? `the agent answered ${status}`,
    ...(next === undefined ? {} : { next }),
  })
}

async function* logLines(
  opened: (question: Question) => Promise<IncomingMessage>,
  query: Readonly<Record<string, unknown>>,
  signal?: AbortSignal,
): AsyncGenerator<LogLine> {
  const parameters = new URLSearchParams()
  for (const [name, value] of Object.entries(query)) if (value !== undefined) parameters.set(name, String(value))
  const response = await opened({ method: 'GET', path: `/logs?${parameters}`, signal })
  try {
    if (response.statusCode !== 200) {
      const body: unknown = JSON.parse((await response.toArray()).join(''))
      throw problemOf({ status: response.statusCode ?? 0, body })
    }
    for await (const line of createInterface({ input: response })) {
      if (signal?.aborted) return // lines that had come before are still in the reader
      if (line !== '') yield JSON.parse(line)
    }
  } catch (error) {
    if (!signal?.aborted) throw error
  } finally {
    response.destroy()
  }
}

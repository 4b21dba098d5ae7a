import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, openSync } from 'node:fs'
import { connect } from 'node:net'
import { join } from 'node:path'
import type { Seal } from '../access/access.ts'
import type { AgentEvent, Instance, InstanceSpec } from '../agent/protocol.ts'
import type { Runtime } from '../runtimes/runtime.ts'

/** A runtime that really runs processes, without anything else that the agent does: for tests of what runs under it. */
export const spawningRuntime = (
  directory: string,
): Runtime & { pid(id: string): number | undefined; end(): Promise<void> } => {
  const running = new Map<string, { spec: InstanceSpec; child: ChildProcess; exited: Promise<unknown> }>()
  const instance = (spec: InstanceSpec, state: Instance['state'], lastProbe: string | null = null): Instance => ({
    id: spec.id,
    owner: spec.owner,
    state,
    port: spec.port ?? 0,
    pid: running.get(spec.id)?.child.pid ?? null,
    startedAt: 0,
    restarts: 0,
    lastExit: null,
    lastProbe,
    memoryBytes: null,
  })
  const listens = (port: number): Promise<boolean> =>
    new Promise((resolve) => {
      const socket = connect(port, '127.0.0.1')
      socket.once('connect', () => socket.end(() => resolve(true)))
      socket.once('error', () => resolve(false))
    })
  const runtime: Runtime & { pid(id: string): number | undefined; end(): Promise<void> } = {
    pid: (id) => running.get(id)?.child.pid,
    end: async () => {
      for (const id of [...running.keys()]) await runtime.stop(id)
    },
    start: async (spec) => {
      if (!running.has(spec.id)) {
        const log = openSync(join(directory, `${spec.id}.log`), 'a')
        const [program = '', ...words] = spec.argv
        const child = spawn(program, words, {
          cwd: '/',
          env: spec.env,
          stdio: ['ignore', log, log],
          ...(spec.user ? { uid: spec.user.uid, gid: spec.user.gid } : {}),
        })
        closeSync(log)
        const exited = once(child, 'exit').then(() => running.delete(spec.id))
        running.set(spec.id, { spec, child, exited })
      }
      return instance(spec, 'starting')
    },
    settled: async (id, timeoutMs) => {
      for (const until = performance.now() + timeoutMs; performance.now() < until; ) {
        const one = running.get(id)
        if (!one) return null
        if (await listens(one.spec.port ?? 0)) return instance(one.spec, 'healthy')
        await new Promise((resolve) => setTimeout(resolve, 20))
      }
      const one = running.get(id)
      return one ? instance(one.spec, 'failed', 'nobody listens') : null
    },
    stop: async (id) => {
      const one = running.get(id)
      if (!one) return { kind: 'absent' }
      one.child.kill(one.spec.stop.signal)
      await one.exited
      return { kind: 'stopped', drained: true, killed: false, exit: null }
    },
    instances: async () => [...running.values()].map(({ spec }) => instance(spec, 'healthy')),
    route: async () => {},
    routes: async () => ({ generation: 0, routes: [] }),
    events: async (after, _waitMs, signal) =>
      new Promise((resolve) => {
        signal?.addEventListener('abort', () => resolve({ events: [], next: after }))
      }),
    traffic: async () => ({ epoch: 'none', minutes: [] }),
    samples: async () => [],
    logs: async function* () {},
  }
  return runtime
}

/** Only says under which name something was sealed; the real one stands in access. */
export const nameSeal: Seal = {
  seal: (name, plain) => Buffer.from(`${name}\n${Buffer.from(plain).toString('base64')}`),
  open: (name, sealed) => {
    const [under, text = ''] = Buffer.from(sealed).toString().split('\n')
    if (under !== name) throw new Error(`sealed as ${under}, not ${name}`)
    return Buffer.from(text, 'base64')
  },
}

/** An agent's memory of events: on being asked it tells all after a number, or waits for the next. */
export const eventSource = (): Pick<Runtime, 'events'> & {
  happen(event: Omit<AgentEvent, 'seq'>): void
  asked: number[]
} => {
  const kept: AgentEvent[] = []
  const asked: number[] = []
  const listeners = new Set<() => void>()
  return {
    asked,
    happen: (event) => {
      kept.push({ ...event, seq: kept.length + 1 })
      for (const listener of listeners) listener()
    },
    events: (after, _waitMs, signal) => {
      asked.push(after)
      return new Promise((resolve) => {
        const answer = () => {
          listeners.delete(answer)
          resolve({ events: kept.filter((event) => event.seq > after), next: kept.length })
        }
        listeners.add(answer)
        signal?.addEventListener('abort', answer, { once: true })
        if (kept.length > after) answer()
      })
    },
  }
}

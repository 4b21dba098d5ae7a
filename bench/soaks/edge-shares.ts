import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { Agent, createServer, get } from 'node:http'
import { loadavg, tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { z } from 'zod'
import { callSocket } from '../../src/edge/testing.ts'
import { edgeSocketsIn, root, type Say, startEdge } from './websockets.ts'

const edges = 4
const requests = 10_000
const connections = 64
const shares = [1, 10, 50]
const limit = { perSecond: 20, burst: 40, askedPerSecond: 100, seconds: 20 }

/**
 * What several edges on one port hold together, as a person starts them (`headway edge --workers 4`): small weights over kept connections
 * and over fresh ones, and what one client may have.
 */
export const shareEdges = async (say: Say): Promise<void> => {
  const directory = mkdtempSync(join(tmpdir(), 'headway-shares-'))
  const children: ChildProcess[] = []
  const file = join(directory, 'routes.yaml')
  const servers = ['old', 'fresh'].map((version) => createServer((_, response) => response.end(version)))
  try {
    const [old = 0, fresh = 0] = await Promise.all(servers.map(listening))
    writeFileSync(file, routes(old, fresh))
    const port = await startEdge(directory, file, children, edges).port
    while (edgeSocketsIn(directory).size < edges) await delay(100)
    await delay(2_000) // each of them accepts
    for (const share of shares)
      for (const kept of [true, false]) {
        const met = await askAll(port, `share-${share}.localhost`, kept)
        const seen = (100 * (met.get('fresh') ?? 0)) / requests
        const how = `${kept ? `over ${connections} kept connections` : 'over a fresh connection each'}, ${edges} edges`
        const holds = Math.abs(seen - share) <= 1 && (met.get('fresh') ?? 0) + (met.get('old') ?? 0) === requests
        say(holds, `weight ${share} %: ${seen.toFixed(2)} % of ${requests} ${how}`)
      }
    const given = await takeLimited(port)
    const due = limit.burst + limit.perSecond * limit.seconds
    say(
      given >= due * 0.95 && given <= due * 1.15,
      `of ${limit.askedPerSecond} requests a second one client had ${given} in ${limit.seconds} s, due are ${due} (${limit.perSecond} a second, ${limit.burst} at once)`,
    )
    const parts = await Promise.all([...edgeSocketsIn(directory).values()].map(servedBy))
    say(parts.filter((part) => part > 0).length === edges, `each edge's part of all that: ${parts.join(', ')}`)
    say(true, `load average ${loadavg().map(Math.round).join(', ')}`)
  } finally {
    const stopping = spawn('sh', ['headway', 'edge', file, '--state', join(directory, 'state'), '--stop'], {
      cwd: root,
      stdio: 'ignore',
    })
    await once(stopping, 'exit')
    for (const child of children) child.kill('SIGKILL')
    for (const server of servers) server.close()
    rmSync(directory, { recursive: true, force: true, maxRetries: 10 })
  }
}

const routes = (old: number, fresh: number): string =>
  [
    'routes:',
    ...shares.map(
      (share) =>
        `  - { hosts: [share-${share}.localhost], versions: [{ version: old, weight: ${100 - share}, to: ${old} }, { version: fresh, weight: ${share}, to: ${fresh} }] }`,
    ),
    `  - { hosts: [limited.localhost], to: ${old}, perClient: { perSecond: ${limit.perSecond}, burst: ${limit.burst} } }`,
    '',
  ].join('\n')

const listening = async (server: ReturnType<typeof createServer>): Promise<number> => {
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  return typeof address === 'object' ? (address?.port ?? 0) : 0
}

/** How often each version answered. */
const askAll = async (port: number, host: string, kept: boolean): Promise<Map<string, number>> => {
  const agent = kept ? new Agent({ keepAlive: true, maxSockets: connections }) : false
  const met = new Map<string, number>()
  let left = requests
  const client = async (): Promise<void> => {
    for (; left > 0; ) {
      left -= 1
      const { body } = await ask(port, host, agent)
      met.set(body, (met.get(body) ?? 0) + 1)
    }
  }
  await Promise.all(Array.from({ length: connections }, client))
  if (agent) agent.destroy()
  return met
}

const ask = (port: number, host: string, agent: Agent | false): Promise<{ status: number; body: string }> =>
  new Promise((done, failed) => {
    get({ port, host: '127.0.0.1', agent, headers: { host } }, (incoming) => {
      let body = ''
      incoming.on('data', (bytes: Buffer) => {
        body += bytes.toString()
      })
      incoming.on('end', () => done({ status: incoming.statusCode ?? 0, body }))
    }).on('error', failed)
  })

/** By fresh connections, so that every edge is asked. */
const takeLimited = async (port: number): Promise<number> => {
  const asked: Promise<{ status: number }>[] = []
  const began = performance.now()
  for (let nth = 0; nth < limit.askedPerSecond * limit.seconds; nth += 1) {
    const dueMs = (nth * 1000) / limit.askedPerSecond - (performance.now() - began)
    if (dueMs > 0) await delay(dueMs)
    asked.push(ask(port, 'limited.localhost', false))
  }
  return (await Promise.all(asked)).filter(({ status }) => status === 200).length
}

const servedBy = async (socketPath: string): Promise<number> => {
  const { body } = await callSocket(socketPath, 'GET', '/counters')
  const { minutes } = z.object({ minutes: z.array(z.object({ requests: z.number() })) }).parse(body)
  return minutes.reduce((sum, one) => sum + one.requests, 0)
}

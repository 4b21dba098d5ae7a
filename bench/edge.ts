import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { createServer } from 'node:http'
import { connect, createServer as createTcpServer } from 'node:net'
import { cpus, tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { systemClock } from '../src/clock.ts'
import { openAccessLog } from '../src/edge/access-log.ts'
import { usualLimits } from '../src/edge/core.ts'
import { createEdge } from '../src/edge/edge.ts'
import { edgeLaunch } from '../src/edge/launch.ts'
import { batchedUuids } from '../src/edge/request-ids.ts'
import { parseTable } from '../src/edge/table.ts'

/**
 * `sh scripts/node bench/edge.ts`: requests through the edge against the same requests straight to the same instance; keep-alive, 64
 * connections, replies of 309 bytes, in turns. Clients speak bytes, so that they cost little. Prints figures and ratios, asserts nothing.
 */
const connections = 64
const roundMs = 3_000
const rounds = 5
const host = 'shop.localhost'

const roles: Readonly<Record<string, () => Promise<void>>> = {
  instance: async () => {
    const body = 'x'.repeat(309)
    const server = createServer((_request, response) => response.end(body)).listen(0, '127.0.0.1', () => {
      const address = server.address()
      process.send?.(typeof address === 'object' ? address?.port : 0)
    })
  },
  /** What a proxy over node:net costs that reads nothing. */
  pipe: async () => {
    const [, , , , port = '0', upstream = '0'] = process.argv
    const server = createTcpServer({ noDelay: true }, (client) => {
      const instance = connect({ port: Number(upstream), host: '127.0.0.1', noDelay: true })
      for (const [from, to] of [
        [client, instance],
        [instance, client],
      ] as const) {
        from.on('data', (bytes) => {
          if (!to.write(bytes)) from.pause()
        })
        to.on('drain', () => from.resume())
        from.on('error', () => {})
        from.on('close', () => to.destroy())
      }
    })
    server.listen(Number(port), '127.0.0.1')
  },
  edge: async () => {
    const [, , , directory = '', port = '0', ...instances] = process.argv
    const log = openAccessLog(join(directory, 'access.log'), console.error)
    const edge = createEdge({ limits: usualLimits, clock: systemClock, newId: batchedUuids(), log })
    const endpoints = instances.map((instance) => ({ instance, port: Number(instance), healthy: true }))
    edge.route({
      generation: 1,
      routes: [{ hosts: [host], service: 'bench', pools: [{ version: 'v1', weight: 1, endpoints }] }],
    })
    const { HEADWAY_EDGE_FD: fds } = process.env
    await edge.listen(fds ? { fds: fds.split(',').map(Number) } : { port: Number(port) })
    const { BENCH_CERTIFICATES: certificates, BENCH_TLS_PORT: tlsPort } = process.env
    if (certificates && tlsPort) {
      const of = { host: '127.0.0.1', port: Number(tlsPort), publicPort: null, redirect: false, acme: null }
      const tls = { ...of, certificates: [certificates] }
      const shared = { edge, tls, state: directory, greet: null, clock: systemClock, say: console.error }
      const { openTlsDoor } = await import('../src/edge/doors.ts')
      await (await openTlsDoor({ ...shared, connections: usualLimits.connections })).listen({ port: Number(tlsPort) })
    }
    process.send?.(edge.port())
    process.on('message', (message) => {
      if (message === 'health') process.send?.(edge.health())
      else edge.route(parseTable(message))
    })
  },
}

const start = async (role: string, flags: readonly string[], ...words: string[]) => {
  const child = spawn(process.execPath, [...flags, import.meta.filename, role, ...words], {
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  })
  const port = await new Promise<number>((done) => child.once('message', (message) => done(Number(message))))
  return { child, port }
}

type Round = { readonly perSecond: number; readonly p50Ms: number; readonly p99Ms: number }

/** Each connection asks again as soon as it is answered. Answers have the same length each time, which the first one tells. */
const load = async (port: number): Promise<Round> => {
  const latencies: number[] = []
  const began = performance.now()
  const client = () =>
    new Promise<void>((done, failed) => {
      const socket = connect({ port, host: '127.0.0.1', noDelay: true })
      let answerBytes = 0
      let received = 0
      let sentAt = 0
      const send = () => {
        received = 0
        sentAt = performance.now()
        socket.write(`GET / HTTP/1.1\r\nHost: ${host}\r\nUser-Agent: bench\r\nAccept: */*\r\n\r\n`)
      }
      socket.on('error', failed)
      socket.on('connect', send)
      socket.on('data', (bytes) => {
        received += bytes.length
        if (answerBytes === 0) {
          const text = bytes.toString('latin1')
          const head = text.indexOf('\r\n\r\n') + 4
          if (!text.startsWith('HTTP/1.1 200')) failed(new Error(text))
          answerBytes = head + Number(/content-length: (\d+)/i.exec(text)?.[1])
        }
        if (received < answerBytes) return
        const now = performance.now()
        latencies.push(now - sentAt)
        if (now - began < roundMs) send()
        else {
          socket.destroy()
          done()
        }
      })
    })
  await Promise.all(Array.from({ length: connections }, client))
  latencies.sort((a, b) => a - b)
  const quantile = (part: number) => latencies[Math.floor(part * latencies.length)] ?? Number.NaN
  return {
    perSecond: latencies.length / ((performance.now() - began) / 1000),
    p50Ms: quantile(0.5),
    p99Ms: quantile(0.99),
  }
}

const median = (values: readonly number[]): number =>
  values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN
const memoryOf = (child: ChildProcess): string => {
  const rollup = readFileSync(`/proc/${child.pid}/smaps_rollup`, 'utf8')
  const megabytes = (field: string) =>
    (Number(new RegExp(`^${field}:\\s+(\\d+)`, 'm').exec(rollup)?.[1]) / 1000).toFixed(1)
  return `${megabytes('Pss')} PSS, ${megabytes('Private_Dirty')} of it private and written`
}
const cpuSecondsOf = (child: ChildProcess): number => {
  const fields = readFileSync(`/proc/${child.pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? []
  return (Number(fields[11]) + Number(fields[12])) / 100
}

const measure = async (): Promise<void> => {
  const directory = mkdtempSync(join(tmpdir(), 'headway-bench-edge-'))
  const flags = edgeLaunch({ home: '', sockets: '', state: '' }).args.slice(0, -1)
  const instance = await start('instance', [])
  const edge = await start('edge', flags, directory, '0', String(instance.port))
  await delay(1_000)
  console.log(`${cpus().length} cores (${cpus()[0]?.model}), Node.js ${process.version}, ${connections} connections`)
  console.log(`edge, idle, MB                      ${memoryOf(edge.child)}`)
  const direct: Round[] = []
  const through: Round[] = []
  await load(edge.port) // warm
  const cpuBefore = cpuSecondsOf(edge.child)
  for (let round = 0; round < rounds; round += 1) {
    direct.push(await load(instance.port))
    through.push(await load(edge.port))
  }
  const requests = through.reduce((sum, { perSecond }) => sum + (perSecond * roundMs) / 1000, 0)
  for (const [name, all] of [
    ['straight to the instance', direct],
    ['through the edge', through],
  ] as const)
    console.log(
      `${name.padEnd(35)} ${median(all.map((one) => one.perSecond)).toFixed(0)} requests/s, p50 ${median(all.map((one) => one.p50Ms)).toFixed(2)} ms, p99 ${median(all.map((one) => one.p99Ms)).toFixed(2)} ms`,
    )
  const ratios = direct.map((one, at) => (through[at]?.perSecond ?? Number.NaN) / one.perSecond)
  console.log(`ratio, median of ${rounds} pairs             ${median(ratios).toFixed(2)}`)
  console.log(
    `edge, CPU seconds per 10,000        ${((cpuSecondsOf(edge.child) - cpuBefore) / (requests / 10_000)).toFixed(2)}`,
  )
  console.log(`edge, after the load, MB            ${memoryOf(edge.child)}`)
  await delay(10_000)
  console.log(`edge, ten seconds later, MB         ${memoryOf(edge.child)}`)
  edge.child.kill()
  instance.child.kill()
  rmSync(directory, { recursive: true, force: true })
}

await (roles[process.argv[2] ?? ''] ?? measure)()

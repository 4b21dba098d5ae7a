import { request } from 'node:http'
import { connect } from 'node:net'
import type { HealthCheck } from './protocol.ts'

export type ProbeOutcome = { readonly healthy: boolean; readonly words: string }

/** Asks an instance once how it is. Never rejects: what went wrong is in the words. */
export const probe = (check: HealthCheck, port: number): Promise<ProbeOutcome> =>
  check.kind === 'http' ? probeHttp(check, port) : probeTcp(check, port)

const probeHttp = (check: Extract<HealthCheck, { kind: 'http' }>, port: number): Promise<ProbeOutcome> =>
  new Promise((resolve) => {
    const began = performance.now()
    const asking = request({
      host: '127.0.0.1',
      port,
      path: check.path,
      agent: false,
      timeout: check.timeoutMs,
      headers: { 'user-agent': 'headway-health' },
    })
    asking.on('response', (answer) => {
      const status = answer.statusCode ?? 0
      answer.resume()
      answer.on('error', () => undefined)
      resolve({
        healthy: status < 500,
        words: `GET ${check.path} answered ${status} in ${Math.round(performance.now() - began)} ms`,
      })
      asking.destroy()
    })
    asking.on('timeout', () => asking.destroy(new Error(`did not answer within ${check.timeoutMs} ms`)))
    asking.on('error', (error) => resolve({ healthy: false, words: `GET ${check.path}: ${error.message}` }))
    asking.end()
  })

const probeTcp = (check: HealthCheck, port: number): Promise<ProbeOutcome> =>
  new Promise((resolve) => {
    const socket = connect({ host: '127.0.0.1', port })
    const end = (healthy: boolean, words: string) => {
      socket.destroy()
      resolve({ healthy, words })
    }
    socket.setTimeout(check.timeoutMs, () => end(false, `port ${port} did not answer within ${check.timeoutMs} ms`))
    socket.on('connect', () => end(true, `port ${port} accepts connections`))
    socket.on('error', (error) => end(false, error.message))
  })

import { connect } from 'node:net'
import { sendRequest as request } from '../edge/http.ts'
import { instanceHost } from './ports.ts'
import type { HealthCheck } from './protocol.ts'

/** `said` is the outcome in words: `GET / answered 200 in 3 ms`, `GET / got no connection on port 40123: ECONNREFUSED`. */
export type ProbeOutcome = { readonly healthy: boolean; readonly said: string }

/** Asks an instance how it is. Never rejects. */
export const probe = (check: HealthCheck, port: number, signal: AbortSignal): Promise<ProbeOutcome> =>
  check.kind === 'http' ? probeHttp(check.path, check.timeoutMs, port, signal) : probeTcp(check.timeoutMs, port, signal)

const probeHttp = (path: string, timeoutMs: number, port: number, signal: AbortSignal): Promise<ProbeOutcome> =>
  new Promise((resolve) => {
    const began = performance.now()
    const settle = (healthy: boolean, said: string): void => {
      clearTimeout(patience)
      resolve({ healthy, said: `GET ${path} ${said}` })
      asked.destroy()
    }
    const asked = request(
      { host: instanceHost, port, path, agent: false, signal, headers: { 'user-agent': 'headway-health' } },
      (response) => {
        const status = response.statusCode ?? 0
        settle(status < 500, `answered ${status} in ${Math.round(performance.now() - began)} ms`)
      },
    )
    const patience = setTimeout(() => settle(false, `did not answer within ${timeoutMs} ms`), timeoutMs)
    asked.on('error', (error) => settle(false, describeFault(error, port)))
    asked.end()
  })

const probeTcp = (timeoutMs: number, port: number, signal: AbortSignal): Promise<ProbeOutcome> =>
  new Promise((resolve) => {
    const socket = connect({ host: instanceHost, port, signal })
    const settle = (healthy: boolean, said: string): void => {
      clearTimeout(patience)
      resolve({ healthy, said })
      socket.destroy()
    }
    const patience = setTimeout(
      () => settle(false, `port ${port} took no connection within ${timeoutMs} ms`),
      timeoutMs,
    )
    socket.once('connect', () => settle(true, `port ${port} took a connection`))
    socket.on('error', (error) => settle(false, describeFault(error, port)))
  })

const describeFault = (error: Error, port: number): string => {
  const code = 'code' in error ? String(error.code) : error.message
  return code === 'ECONNREFUSED' ? `got no connection on port ${port}: ECONNREFUSED` : `failed: ${code}`
}

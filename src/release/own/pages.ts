import type { IncomingMessage } from 'node:http'
import type { Instance } from '../../agent/protocol.ts'
import type { OwnMetrics } from '../../deploy/judging.ts'
import type { MetricRule } from '../../golden/metrics.ts'
import { plainHttp } from '../../http.ts'
import { readSeries } from './exposition.ts'
import type { Page } from './readings.ts'

/** An instance that can be asked. */
export type Asked = Pick<Instance, 'id' | 'port' | 'restarts'>

const patienceMs = 2_000
const largestBytes = 4 * 1024 * 1024

/**
 * What the instances of a rollout show of the team's own metrics. One that does not answer in two seconds, or with anything but a page
 * of at most 4 MiB, is left out: its counters say what it counted once it answers again.
 */
export const readPages = async (instances: readonly Asked[], own: OwnMetrics, signal: AbortSignal): Promise<Page[]> => {
  const ours = instances.filter(({ id }) => own.canary.includes(id) || own.baseline.includes(id))
  const paths = [...new Set(own.rules.map(({ path }) => path))]
  const pages = await Promise.all(
    ours.map(async ({ id, port, restarts }): Promise<Page | null> => {
      const texts = await Promise.all(paths.map((path) => get(port, path, signal)))
      const series = new Map<string, number>()
      for (const [place, path] of paths.entries()) {
        const text = texts[place] ?? null
        if (text === null) return null
        const wanted = own.rules.filter((rule) => rule.path === path).flatMap(seriesOf)
        for (const [name, value] of readSeries(text, wanted)) series.set(name, value)
      }
      return { instance: id, restarts, series }
    }),
  )
  return pages.filter((page) => page !== null)
}

const seriesOf = (rule: MetricRule): string[] => (rule.kind === 'counter' ? [rule.series, rule.of] : [rule.series])

/** The text of a page; null when there is none. */
const get = (port: number, path: string, signal: AbortSignal): Promise<string | null> =>
  new Promise((resolve) => {
    const giveUp = AbortSignal.any([signal, AbortSignal.timeout(patienceMs)])
    const asked = plainHttp().request(
      { host: '127.0.0.1', port, path, agent: false, signal: giveUp, headers: { accept: 'text/plain;version=0.0.4' } },
      (answer) => void textOf(answer).then(resolve, () => resolve(null)),
    )
    asked.on('error', () => resolve(null))
    asked.end()
  })

const textOf = async (answer: IncomingMessage): Promise<string | null> => {
  if (answer.statusCode !== 200) {
    answer.destroy()
    return null
  }
  const chunks: Buffer[] = []
  let sizeBytes = 0
  for await (const chunk of answer) {
    sizeBytes += chunk.length
    if (sizeBytes > largestBytes) return null
    chunks.push(chunk)
  }
  return Buffer.concat(chunks).toString()
}

import { describeError } from '../../../problem.ts'
import type { Json } from '../../workflow/expression.ts'
import { jobCpuWeight } from '../limits.ts'
import { takePorts } from '../ports.ts'
import type { CellOrder, ServiceWish } from '../sandbox.ts'
import type { DockerParts } from './cell.ts'
import { fixedPorts, type Inspected, inspect, type Labels, portsOf, startContainer } from './containers.ts'
import { at, type Engine } from './engine.ts'
import { ensureImage } from './images.ts'

type Held = { readonly labels: Labels; readonly network: string; readonly stack: AsyncDisposableStack }

const healthLookMs = 250

/** Starts a job's services and waits until all that have a health check are healthy; gives the `job.services` context. */
export const startServices = async (
  order: CellOrder,
  parts: DockerParts,
  { labels, network, stack }: Held,
): Promise<Record<string, Json>> => {
  const { services, cancel, say } = order
  if (services.length === 0) return {}
  stack.use(await takePorts(services.flatMap(fixedPorts), `${order.run}/${order.key}`, say, cancel))
  // All are waited for, so that none comes to life behind the back of whoever removes them.
  const settled = await Promise.allSettled(services.map((service) => start(service, order, parts, labels, network)))
  return Object.fromEntries(
    settled.map((one) => {
      if (one.status === 'rejected') throw one.reason
      const { service, inspected } = one.value
      return [service.id, { id: inspected.Id, network, ports: portsOf(inspected) }]
    }),
  )
}

const start = async (
  service: ServiceWish,
  { say, cancel, clock }: CellOrder,
  { engine, tools: { limits } }: DockerParts,
  labels: Labels,
  network: string,
): Promise<{ service: ServiceWish; inspected: Inspected }> => {
  const named = (line: string): void => say(`service ${service.id}: ${line}`)
  try {
    await ensureImage(engine, service, named, cancel)
    const shares = Math.round(jobCpuWeight * 10.24)
    const { memoryBytes, cpus, processes } = limits
    const frame = { labels, network, alias: service.id, memoryBytes, cpus, processes, shares }
    const id = await startContainer(engine, service, frame)
    for (;;) {
      const inspected = await inspect(engine, id)
      const { State, Config } = inspected
      const status = Config.Healthcheck ? State.Health?.Status : undefined
      if (!State.Running) throw new Error(`it ended with exit code ${State.ExitCode}${await lastWords(engine, id)}`)
      if (status === 'unhealthy') throw new Error(`it is unhealthy${checkOf(inspected)}${await lastWords(engine, id)}`)
      if (status !== 'starting') {
        named(status === 'healthy' ? 'is healthy' : 'has been started')
        return { service, inspected }
      }
      await clock.sleep(healthLookMs, cancel)
    }
  } catch (error) {
    throw new Error(`the service ${service.id} (${service.image}) did not start: ${describeError(error)}`, {
      cause: error,
    })
  }
}

/** What the health check came to the last time. */
const checkOf = ({ State }: Inspected): string => {
  const last = State.Health?.Log?.at(-1)
  if (!last) return ''
  const said = last.Output.trim().slice(0, longestCheck)
  return `, its health check ended with exit code ${last.ExitCode}${said === '' ? ' and said nothing' : ` and said: ${said}`}`
}
const longestCheck = 1000

const lastWords = async (engine: Engine, id: string): Promise<string> => {
  const lines = await lastLines(engine, id)
  return lines === '' ? '; it printed nothing' : `:\n${lines}`
}

/** What a container said last. */
const lastLines = async (engine: Engine, id: string): Promise<string> => {
  const response = await engine.open({
    method: 'GET',
    path: at`/containers/${id}/logs?stdout=true&stderr=true&tail=20`,
  })
  const chunks: Buffer[] = []
  for await (const chunk of response) chunks.push(chunk)
  return framesAsText(Buffer.concat(chunks)).trimEnd()
}

const framesAsText = (frames: Buffer): string => {
  let text = ''
  for (let from = 0; from + 8 <= frames.length; ) {
    const length = frames.readUInt32BE(from + 4)
    text += frames.toString('utf8', from + 8, from + 8 + length)
    from += 8 + length
  }
  return text
}

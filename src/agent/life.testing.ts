import { sendSignal } from '../processes/tree.ts'
import {
  agentsOf,
  answeringService,
  askEdge,
  directoriesIn,
  processesOf,
  specOf,
  startTestAgent,
  tableOf,
  until,
} from './testing.ts'

// The whole life of an instance, told in what must be so whatever is killed meanwhile. `marks.test.ts` runs it with failpoints.
const { home, runtime, files, end } = await startTestAgent()
const story: string[] = []
try {
  const { edge } = await runtime.health()
  const spec = specOf('life.1', {
    files: files({ 'server.mjs': answeringService("console.log('begins')") }),
    limits: { memoryBytes: 256 << 20, cpus: 2, processes: 100 },
    readyTimeoutMs: 60_000,
  })
  await runtime.start(spec)
  const first = await runtime.settled('life.1', 60_000)
  story.push(`first ${first?.state}, restarts ${first?.restarts}`)
  await runtime.route(tableOf(1, 'life.1'))
  await until(async () => (await askEdge(edge.port)) === '200 life.1', 30_000)

  sendSignal(first?.pid ?? -1, 'SIGKILL')
  await until(async () => {
    const seen = await runtime.settled('life.1', 0)
    return seen?.state === 'healthy' && seen.pid !== first?.pid
  }, 60_000)
  await until(async () => (await askEdge(edge.port)) === '200 life.1', 30_000)
  story.push(`then restarts ${(await runtime.settled('life.1', 0))?.restarts}`)
  await runtime.replaceEdge()
  await until(async () => (await askEdge(edge.port)) === '200 life.1', 30_000)

  await runtime.stop('life.1')
  await until(async () => (await askEdge(edge.port)) === '503', 30_000)
  story.push(`instances ${JSON.stringify(await runtime.instances())}`)
  const { events } = await runtime.events(0, 0)
  const kinds = events.map(({ kind }) => kind).filter((kind, index, all) => kind !== all[index - 1])
  story.push(`events ${kinds.join(' ')}`)
  const texts: string[] = []
  for await (const { text } of runtime.logs({ project: 'default', service: 'shop' })) texts.push(text)
  story.push(`said ${texts.join(' ')}`)
  story.push(`records ${directoriesIn(`${home.agent}/instances`).filter((name) => !name.endsWith('.tmp'))}`)
  story.push(`directories ${directoriesIn(home.instances)}`)
  await until(() => agentsOf(home).length === 1) // one that was killed in this moment is followed by another
  await runtime.shutdown('stop')
  await until(() => processesOf(home).length === 0)
  story.push('nothing runs')
} finally {
  await end()
}
console.log(story.join('\n'))

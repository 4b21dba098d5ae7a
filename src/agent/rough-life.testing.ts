import { spawn } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { sendSignal } from '../processes/tree.ts'
import { marksOf } from './leftovers.ts'
import {
  agentsOf,
  askEdge,
  directoriesIn,
  openTestAgent,
  processesOf,
  specOf,
  tableOf,
  testHome,
  until,
} from './testing.ts'

// What a smooth life never meets: files grown past their limits, records that cannot be read, processes that nobody knows or that do
// not end when told. Told in what must be so whatever is killed meanwhile; `marks.test.ts` runs it with failpoints.
const home = testHome()
const records = join(home.agent, 'instances')
const oldLog = join(home.agent, 'logs', 'gone.1')
for (const path of [records, oldLog, home.instances]) mkdirSync(path, { recursive: true, mode: 0o711 })
writeFileSync(join(home.agent, 'agent.log'), 'x'.repeat(6 * 1024 * 1024))
writeFileSync(join(records, 'torn.1.json'), '{"spec":')
writeFileSync(join(oldLog, 'journal'), 'said long ago\n')
utimesSync(oldLog, 1, 1)
const stray = spawn('sleep', ['600'], { detached: true, stdio: 'ignore', env: marksOf('unknown.1', home.instances) })

/** Says 12 MB and then a word now and again, starts another in a session of its own, and ends only by SIGKILL. */
const stubborn = `
import { createServer } from 'node:http'
import { spawn } from 'node:child_process'
process.on('SIGTERM', () => {})
spawn('sleep', ['600'], { detached: true, stdio: 'ignore' })
const line = 'all work and no play '.repeat(600) + '\\n'
for (let said = 0; said < 12e6; said += line.length) process.stdout.write(line)
setInterval(() => console.log('still there'), 50)
createServer((asked, answer) => answer.end(process.env.HEADWAY_INSTANCE)).listen(Number(process.env.PORT), process.env.HOST)
`

const { runtime, files, end } = await openTestAgent(home)
const story: string[] = []
try {
  await until(() => stray.exitCode !== null || stray.signalCode !== null, 30_000)
  story.push(`torn ${directoriesIn(records).filter((name) => name.startsWith('torn'))}`)
  await until(() => !existsSync(oldLog), 30_000)
  const spec = specOf('rough.1', {
    files: files({ 'server.mjs': stubborn }),
    readyTimeoutMs: 60_000,
    stop: { signal: 'SIGTERM', drainMs: 100, graceMs: 200 },
  })
  await runtime.start(spec)
  await runtime.settled('rough.1', 60_000)
  await runtime.route(tableOf(1, 'rough.1'))
  const { edge } = await runtime.health()
  await until(async () => (await askEdge(edge.port)) === '200 rough.1', 30_000)

  // An agent that dies after its note of the port was torn, as by a start that was killed half way: the next one mends it.
  const note = join(home.agent, 'listening.json')
  writeFileSync(note, JSON.stringify({ ...JSON.parse(readFileSync(note, 'utf8')), port: 1 }))
  for (const agent of agentsOf(home)) sendSignal(agent, 'SIGKILL')
  await until(async () => (await runtime.health()).edge.port === edge.port, 60_000)
  story.push(`port ${JSON.parse(readFileSync(note, 'utf8')).port === edge.port ? 'mended' : 'wrong'}`)

  await until(() => directoriesIn(join(home.agent, 'logs', 'rough.1')).includes('journal.1'), 60_000)
  await runtime.stop('rough.1')
  story.push(`instances ${JSON.stringify(await runtime.instances())}`)
  story.push(`directories ${directoriesIn(home.instances)}`)

  await runtime.shutdown('stop')
  await until(() => processesOf(home).length === 0)
  story.push('nothing runs')
} finally {
  sendSignal(stray.pid ?? -1, 'SIGKILL')
  await end()
}
console.log(story.join('\n'))

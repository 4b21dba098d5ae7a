import assert from 'node:assert/strict'
import { availableParallelism } from 'node:os'
import { sendSignal } from '../processes/tree.ts'
import { processesOf, startTestAgent, until } from './testing.ts'

process.env.HEADWAY_EDGE_WORKERS = '2' // as many as there are cores, if that is one

// An edge that obeys nothing and answers nobody: another one takes its place, and it is killed when all ends. `marks.test.ts` runs it
// with failpoints.
const { home, runtime, end } = await startTestAgent()
const story: string[] = []
try {
  await until(() => processesOf(home).length >= 1 + Math.min(2, availableParallelism()), 60_000)
  let pid: number | null = null
  await until(async () => {
    pid = (await runtime.health()).edge.pid // none for a moment, while one takes over from another
    return pid !== null
  })
  assert.ok(pid !== null && sendSignal(pid, 'SIGSTOP'))
  await until(async () => {
    const now = (await runtime.health()).edge.pid
    return now !== null && now !== pid
  }, 60_000)
  story.push('another edge accepts')
  await runtime.shutdown('stop')
  await until(() => processesOf(home).length === 0)
  story.push('nothing runs')
} finally {
  await end()
}
console.log(story.join('\n'))

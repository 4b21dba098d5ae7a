import { sendSignal } from '../processes/tree.ts'
import { processesOf, startTestAgent, until } from './testing.ts'

// An edge that obeys nothing and answers nobody: another one takes its place, and it is killed when all ends. `marks.test.ts` runs it
// with failpoints.
const { home, runtime, end } = await startTestAgent()
const story: string[] = []
try {
  const { pid } = (await runtime.health()).edge
  sendSignal(pid ?? -1, 'SIGSTOP')
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

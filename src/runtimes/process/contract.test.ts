import { answeringService, askEdge, specOf, startTestAgent } from '../../agent/testing.ts'
import { runtimeContract } from '../contract.ts'

runtimeContract('of processes', async () => {
  const { runtime, files, end } = await startTestAgent()
  const { edge } = await runtime.health()
  return {
    runtime,
    healthy: (id, words) =>
      specOf(id, { files: files({ 'server.mjs': answeringService(`console.log(${JSON.stringify(words)})`) }) }),
    exiting: (id, exitCode) => specOf(id, { argv: ['sh', '-c', `exit ${exitCode}`] }),
    ask: async () => /^200 (.*)$/.exec(await askEdge(edge.port))?.[1] ?? null,
    end,
  }
})

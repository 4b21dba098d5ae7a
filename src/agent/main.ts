import { fstatSync, readFileSync } from 'node:fs'
import { request } from 'node:http'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { systemClock } from '../clock.ts'
import { homeAt } from '../home.ts'
import { describeError } from '../problem.ts'
import { createAgent } from './agent.ts'
import { serveAgent } from './server.ts'
import { agentListenFd } from './start.ts'

const { values } = parseArgs({ options: { home: { type: 'string' } } })
const home = homeAt(values.home)
const socket = join(home.sockets, 'agent.sock')
const startedAt = Date.now()
const report = (problem: string): void => console.error(`${new Date().toISOString()} ${problem}`)

process.on('SIGHUP', () => undefined) // the terminal that started Headway may go
process.on('uncaughtException', (error) => {
  report(`the agent ends: ${error.stack ?? describeError(error)}`)
  process.exit(70) // the edge starts a successor
})

if (await answers(socket)) {
  report('another agent answers for this home; this one ends')
  process.exit(0)
}
if (!fstatSync(agentListenFd).isSocket()) {
  report(`descriptor ${agentListenFd} is no socket: the agent is started by startAgent()`)
  process.exit(64)
}

const listening: { host: string; port: number } = JSON.parse(readFileSync(join(home.agent, 'listening.json'), 'utf8'))
const agent = await createAgent({ home, clock: systemClock, listenFd: agentListenFd, report })
await serveAgent(agent, {
  socket,
  health: () => ({
    version: '0.1.0',
    pid: process.pid,
    startedAt,
    edge: { pid: agent.edge.pid(), port: listening.port, host: listening.host },
  }),
  leave: () => process.exit(0),
})
report(`agent ${process.pid} is ready`)

function answers(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const asking = request({ socketPath: path, path: '/health', timeout: 2000 }, (answer) => {
      answer.resume()
      resolve(true)
    })
    asking.on('timeout', () => asking.destroy())
    asking.on('error', () => resolve(false))
    asking.end()
  })
}

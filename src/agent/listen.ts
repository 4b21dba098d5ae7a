import { rmSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { effectSync } from '../effect.ts'
import { writeDurably } from '../processes/files.ts'
import { startAgent } from './start.ts'

// Opens the edge's listening socket, hands it to an agent and ends. In a process of its own, because Node accepts on every socket that it
// listens on, and the agent must hold this one without ever accepting. Arguments: home root, agent's directory, host, port.
const [home, directory, host, port] = process.argv.slice(2)
if (home === undefined || directory === undefined || host === undefined || port === undefined) {
  process.stderr.write('listen.ts is started by the runtime: home root, directory of the agent, host, port\n')
  process.exit(64)
}

const server = createServer((socket) => socket.destroy())
server.on('error', (error: NodeJS.ErrnoException) => {
  process.stderr.write(JSON.stringify({ code: error.code ?? 'EUNKNOWN', message: error.message }))
  process.exit(1)
})
server.listen({ host, port: Number(port), backlog: 1024 }, () => {
  const address = server.address()
  const opened = typeof address === 'object' && address ? address.port : 0
  effectSync('agent.write-listening', () =>
    writeDurably(join(directory, 'listening.json'), JSON.stringify({ host, port: opened })),
  )
  effectSync('agent.stopped-clear', () => rmSync(join(directory, 'stopped'), { force: true }))
  startAgent({ home, listenFd: descriptorOf(server) })
  process.exit(0)
})

/** Node tells nobody the descriptor of a server; its handle has it. */
function descriptorOf(listening: object): number {
  const handle: unknown = Reflect.get(listening, '_handle')
  const fd: unknown = typeof handle === 'object' && handle !== null ? Reflect.get(handle, 'fd') : undefined
  if (typeof fd !== 'number' || fd < 0)
    throw new Error('this Node.js does not tell the descriptor of a listening socket')
  return fd
}

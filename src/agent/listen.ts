import { rmSync } from 'node:fs'
import { createServer, type Server } from 'node:net'
import { join } from 'node:path'
import { mostWaiting } from '../edge/launch.ts'
import { effectSync } from '../effect.ts'
import { writeDurably } from '../processes/files.ts'
import { startAgent } from './start.ts'

// Opens the edge's listening sockets, hands them to an agent and ends. In a process of its own, because Node accepts on every socket that
// it listens on, and the agent must hold these without ever accepting. Arguments: home root, agent's directory, host, port, and for TLS
// another host and port.
const [home, directory, host, port, tlsHost, tlsPort] = process.argv.slice(2)
if (home === undefined || directory === undefined || host === undefined || port === undefined) {
  process.stderr.write(
    'listen.ts is started by the runtime: home root, directory of the agent, host, port [host, port]\n',
  )
  process.exit(64)
}

const plain = await open(host, Number(port))
const tls = tlsHost === undefined ? null : await open(tlsHost, Number(tlsPort))
const note = { host, port: portOf(plain), tls: tls && { host: tlsHost, port: portOf(tls) } }
effectSync('agent.write-listening', () => writeDurably(join(directory, 'listening.json'), JSON.stringify(note)))
effectSync('agent.stopped-clear', () => rmSync(join(directory, 'stopped'), { force: true }))
startAgent({ home, listenFd: descriptorOf(plain), tlsFd: tls && descriptorOf(tls) })
process.exit(0)

function open(at: string, wanted: number): Promise<Server> {
  const server = createServer((socket) => socket.destroy())
  server.on('error', (error: NodeJS.ErrnoException) => {
    const { code = 'EUNKNOWN', message } = error
    process.stderr.write(JSON.stringify({ code, message, host: at, port: wanted }))
    process.exit(1)
  })
  return new Promise((done) => server.listen({ host: at, port: wanted, backlog: mostWaiting }, () => done(server)))
}

function portOf(server: Server): number {
  const address = server.address()
  return typeof address === 'object' && address ? address.port : 0
}

/** Node tells nobody the descriptor of a server; its handle has it. */
function descriptorOf(listening: object): number {
  const handle: unknown = Reflect.get(listening, '_handle')
  const fd: unknown = typeof handle === 'object' && handle !== null ? Reflect.get(handle, 'fd') : undefined
  if (typeof fd !== 'number' || fd < 0)
    throw new Error('this Node.js does not tell the descriptor of a listening socket')
  return fd
}

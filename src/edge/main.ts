import { runEdge } from './process.ts'

// The edge's process; its agent starts it as launch.ts says.
const setting = (name: string): string => {
  const value = process.env[name]
  if (value) return value
  process.stderr.write(`edge: ${name} is not set; an edge is started by its agent (src/edge/launch.ts says how)\n`)
  process.exit(64)
}

const liveness = process.env.HEADWAY_EDGE_LIVENESS_FD
const tls = process.env.HEADWAY_EDGE_TLS_FD
const keeper = process.env.HEADWAY_EDGE_KEEPER
await runEdge({
  home: setting('HEADWAY_EDGE_HOME'),
  sockets: setting('HEADWAY_EDGE_SOCKETS'),
  state: setting('HEADWAY_EDGE_STATE'),
  listenFds: setting('HEADWAY_EDGE_FD').split(',').map(Number),
  livenessFd: liveness ? Number(liveness) : null,
  tlsFd: tls ? Number(tls) : null,
  ...(keeper ? { keeper } : {}),
  startAgent: async (how) => {
    const { startAgent } = await import('../agent/start.ts')
    startAgent({ ...how, ...(keeper ? { program: keeper } : {}) })
  },
})

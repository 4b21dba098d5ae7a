import { randomUUID } from 'node:crypto'
import { systemClock } from '../clock.ts'
import { usualLimits } from './core.ts'
import { tellTurned } from './descriptors.ts'
import { createEdge } from './edge.ts'
import { parseTable } from './table.ts'

// An edge for whoever starts it with few descriptors: it gets a table as a message and tells its port.
const turned = tellTurned({ connections: 1_000, descriptors: 64 }, () => systemClock.monotonicMs(), console.error)
const edge = createEdge({ limits: usualLimits, clock: systemClock, newId: randomUUID, log: null, turned })
process.on('message', (message) => {
  edge.route(parseTable(message))
  void edge.listen({ port: 0 }).then(() => process.send?.(edge.port()))
})

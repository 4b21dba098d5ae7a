import { findBinaries } from '../../operate/binaries.ts'
import { parseIsolation } from '../index.ts'
import { runLocally } from './engine.ts'

// The process that the crash test kills: runs the workflows of a folder and prints how that ended.
const [directory = '', isolation = 'none'] = process.argv.slice(2)
const order = { directory, workflow: null, event: { name: 'push' }, secrets: {}, variables: {}, actor: 'user:mona' }
const result = await runLocally(order, {}, { isolation: parseIsolation(isolation), findPostgres: findBinaries })
process.stdout.write(JSON.stringify([result.conclusion, result.failure]))

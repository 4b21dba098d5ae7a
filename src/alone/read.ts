import { readFileSync } from 'node:fs'
import { describeError } from '../problem.ts'
import { readRoutes } from './file.ts'

// Reads a file of routes in a process of its own, so that whoever goes by it need not hold a reader of YAML for good:
// `node read.ts <file>` prints { routes } or { problems } as JSON.
const [file = ''] = process.argv.slice(2)
process.stdout.write(JSON.stringify(read()))

function read(): object {
  try {
    const found = readRoutes(readFileSync(file, 'utf8'), file)
    return found.kind === 'ok' ? { routes: found.routes } : { problems: found.problems }
  } catch (error) {
    return {
      problems: [
        {
          ...{
            kind: 'unreadable-file',
            status: 400,
            detail: `cannot be read: ${describeError(error)}`,
            where: { file },
          },
          next: 'name a file of routes that this user may read',
        },
      ],
    }
  }
}

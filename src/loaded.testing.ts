import { appendFileSync } from 'node:fs'
import { registerHooks } from 'node:module'
import { threadId } from 'node:worker_threads'

/** Given to Node.js with `--import`: writes down each file of a module that the process loads, and each module of Node.js that it imports, at `HEADWAY_TEST_LOADED`. */
const list = process.env.HEADWAY_TEST_LOADED
const seen = new Set<string>()
if (list !== undefined && threadId === 0)
  registerHooks({
    resolve: (specifier, context, next) => {
      const found = next(specifier, context)
      if (/^(file|node):/.test(found.url) && !seen.has(found.url)) appendFileSync(list, `${found.url}\n`)
      seen.add(found.url)
      return found
    },
  })

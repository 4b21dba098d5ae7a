import { readFileSync } from 'node:fs'
import { registerHooks } from 'node:module'
import { fileURLToPath } from 'node:url'

/** Zod brings its messages in sixty languages, of which Headway says one. */
const languages = /\/zod\/v4\/locales\/index\.js$/
/** What Kysely's index offers besides, for other databases and other ways of working; each file is loaded by whoever else imports it. */
const unused =
  /^\.\/(dialect\/(mysql|mssql|pglite)|migration|plugin\/(camel-case|deduplicate-joins|parse-json-results|handle-empty-in-lists|safe-null-comparison))\//
const nothing = 'data:text/javascript,'

/** V8 keeps the whole text of a file in two bytes a character when one character of it, in a comment say, needs them. */
const wide = /\/zod\/v4\/(core|classic)\/[\w-]+\.js$/

/**
 * Leaves out, from now on, what no part of a server asks its libraries for, so that it neither reads nor keeps it: no import of theirs
 * does. The first is looked for at what is used of it, the second is empty, the third reads the same to the engine.
 */
export const leaveOutUnused = (): void => {
  registerHooks({
    resolve: (specifier, context, next) => {
      if (context.parentURL?.endsWith('/kysely/dist/index.js') && unused.test(specifier))
        return { url: nothing, format: 'module', shortCircuit: true }
      const found = next(specifier, context)
      return languages.test(found.url) ? { ...found, url: found.url.replace(/index\.js$/, 'en.js') } : found
    },
    load: (url, context, next) =>
      wide.test(url)
        ? { format: 'module', source: narrow(readFileSync(fileURLToPath(url), 'utf8')), shortCircuit: true }
        : next(url, context),
  })
}

const narrow = (source: string): string =>
  source.replace(/[^\0-\xff]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`)

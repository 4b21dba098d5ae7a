import { readFileSync } from 'node:fs'

/** The program's version, as its package says: `0.1.0`. */
export const version = String(JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')).version)

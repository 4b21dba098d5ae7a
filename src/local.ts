/** What the command line runs without a server. */
export { type LocalOrder, type LocalResult, runLocally } from './build/local.ts'

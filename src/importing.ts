/** What `headway import` needs of the events' room: histories as records, in parcels that the API takes. */
export { readDevLake } from './events/import/devlake.ts'
export { type DumpRules, readGitHubDump, readGitLabDump } from './events/import/dumps.ts'
export { gitHistory } from './events/import/git.ts'
export { oneAhead, parcelsOf } from './events/import/parcels.ts'

/*
 * Every word that the web shows, by the room that shows it. A second language is a second folder of these files.
 * Each name is passed on by itself, so that a page loads its own words and no others.
 */
export { approvals } from './approvals.ts'
export { calms, survey } from './calms.ts'
export { change, changes, queue } from './changes.ts'
export { data } from './data.ts'
export { digest } from './digest.ts'
export { door } from './door.ts'
export { incidents } from './incidents.ts'
export { insights } from './insights.ts'
export { ledger } from './ledger.ts'
export { firstRun, loop } from './loop.ts'
export { previews } from './previews.ts'
export { dispatch, repositories } from './repositories.ts'
export { rollout, rollouts } from './rollouts.ts'
export { run, runs, tests } from './runs.ts'
export { secrets } from './secrets.ts'
export { outcome, reason, service, services, status } from './services.ts'
export { settings } from './settings.ts'
export { actions, keys, name, nav, palette, roles, shell, states, table, time } from './shell.ts'
export { passkeys, signIn } from './sign-in.ts'
export { toil } from './toil.ts'

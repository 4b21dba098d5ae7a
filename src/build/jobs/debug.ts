import type { JobOrder } from './job.ts'

/** Secrets or variables of the project that turn on what GitHub calls debug logging; asked for whether a workflow names them or not. */
export const debugSettings = ['ACTIONS_STEP_DEBUG', 'ACTIONS_RUNNER_DEBUG'] as const

/** Whether `::debug::` is shown and RUNNER_DEBUG is set. */
export const asksForDebug = ({ secrets, vars }: Pick<JobOrder, 'secrets' | 'vars'>): boolean =>
  debugSettings.some((name) => (secrets[name] ?? vars[name])?.toLowerCase() === 'true')

/** All secrets but these, whose value is the word `true`. */
export const secretsToHide = ({ secrets }: Pick<JobOrder, 'secrets'>): string[] => {
  const shown: readonly string[] = debugSettings
  return Object.entries(secrets).flatMap(([name, value]) => (shown.includes(name) ? [] : [value]))
}

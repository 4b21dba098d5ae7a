import { networkVariables } from '../network.ts'
import type { Cell } from '../sandbox/sandbox.ts'
import { fixedVariables } from './contexts.ts'
import type { StepCall } from './step.ts'

/**
 * The environment of a step's programs: the job's, then what GITHUB_ENV added, then the step's own; what Headway says of the run
 * and the runner nobody overwrites.
 */
export const variablesOf = ({ frame, env, github }: StepCall): Record<string, string> => {
  const { run } = frame
  const { workspace, isDebug } = run.at
  const own = { ...run.progress.env, ...env }
  return {
    ...run.network,
    CI: 'true',
    HOME: workspace.home,
    LANG: 'C.UTF-8',
    TMPDIR: workspace.temp,
    ...own,
    PATH: [...run.progress.paths, own.PATH ?? (run.at.cell.path ?? run.place.path).join(':')].join(':'),
    ...fixedVariables({ ...run.github, ...frame.github, ...github }, run.runner),
    ...(isDebug ? { RUNNER_DEBUG: '1' } : {}),
  }
}

/** Of this machine's settings; files that they name are not in a container. */
export const networkFor = ({ hasHostTools }: Cell): Record<string, string> =>
  Object.fromEntries(Object.entries(networkVariables()).filter(([, value]) => hasHostTools || !value.startsWith('/')))

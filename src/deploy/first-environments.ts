import { defaultEnvironment, EnvironmentName } from '../names.ts'
import { Problem } from '../problem.ts'
import { environmentPath, readEnvironments } from './environment-file.ts'
import type { FileChange } from './environments.ts'

/** What a new Headway has where nobody says otherwise. */
export const usualEnvironments = 'staging,production'

/**
 * What is written of the environments of a new Headway, named in order of promotion and separated by commas: pushes come to the first
 * one at once, what has succeeded in one comes to the next by itself, as a canary. To a single one they come as each service has it. Throws a Problem for a name that cannot be one.
 */
export const firstEnvironments = (names: string): readonly FileChange[] => {
  const parsed = names.split(',').map((name) => {
    const environment = EnvironmentName.safeParse(name.trim())
    if (!environment.success) throw refusal(names, `${JSON.stringify(name.trim())} is no name of an environment`)
    return environment.data
  })
  if (new Set(parsed).size < parsed.length) throw refusal(names, 'one of them is named twice')
  const files = parsed.map((name, index) => ({
    path: environmentPath(name),
    text: parsed.length === 1 ? alone : textOf(parsed[index - 1] ?? null),
  }))
  try {
    readEnvironments(files)
  } catch (error) {
    throw error instanceof Problem ? refusal(names, error.message) : error
  }
  return files
}

/** Its users are there, so each service says for itself how it comes to them. */
const alone = '# Every push that passed comes here.\npromote:\n  from: push\n'
const textOf = (before: EnvironmentName | null): string =>
  before === null
    ? '# Every push that passed comes here, at once.\npromote:\n  from: push\nstrategy: rolling\n'
    : `# What has succeeded in ${before} comes here by itself, first to a part of the requests.\npromote:\n  from: ${before}\nstrategy: canary\n`

const refusal = (names: string, why: string): Problem =>
  new Problem({
    kind: 'bad-environments',
    status: 400,
    detail: `${JSON.stringify(names)} are no environments to begin with: ${why}`,
    next: `name them in order of promotion, such as ${usualEnvironments} or ${defaultEnvironment}`,
  })

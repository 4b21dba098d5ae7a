import type { Platform } from './platform.ts'

/** A run as `headway runs --json` tells it. */
export type Run = {
  readonly run: string
  readonly name: string
  readonly ref: string
  readonly commit: string
  readonly status: string
  readonly conclusion: string | null
  readonly failure: { readonly job: string | null; readonly step: string | null; readonly detail: string } | null
  readonly jobs: readonly { readonly job: string; readonly name: string; readonly conclusion: string | null }[]
}

/** The runs of a commit in a repository, oldest first, with their jobs. */
export const runsOf = async (platform: Platform, repository: string, commit: string): Promise<Run[]> => {
  const listed: Run[] = JSON.parse(await must(platform, 'runs', '--repository', repository, '--json'))
  const own = listed.filter((one) => one.commit === commit).toReversed()
  return Promise.all(own.map(async ({ run }) => JSON.parse(await must(platform, 'runs', run, '--json'))))
}

/** `name: conclusion` of each job of a run, by name. */
export const jobsOf = ({ jobs }: Run): string[] => jobs.map(({ name, conclusion }) => `${name}: ${conclusion}`).sort()

/** What the jobs of a run printed, without times. */
export const logOf = (platform: Platform, run: string): Promise<string> => must(platform, 'runs', run, '--log')

const must = async (platform: Platform, ...words: readonly string[]): Promise<string> => {
  const outcome = await platform.headway(...words)
  if (outcome.code !== 0) throw new Error(`headway ${words.join(' ')} failed: ${outcome.stderr}`)
  return outcome.stdout
}

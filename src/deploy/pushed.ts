import type { CommitId, ProjectName, RepositoryName } from '../names.ts'
import { describeProblem } from '../problem.ts'
import { complaintsAbout, targetsBetween } from './complaints.ts'
import { type Environments, environmentsBranch } from './environments.ts'
import { environmentOption, targetLabel } from './target.ts'
import { type DeployQueries, targetOfRow } from './views.ts'

type Key = { readonly project: ProjectName; readonly repository: RepositoryName }
type Update = { readonly ref: string; readonly before: CommitId | null; readonly after: CommitId | null }

/** So many mistakes of one push are shown. */
const mostShown = 10

/** What somebody who pushes into the environments repository is told: why it is not taken, or what it asks for. */
export const createPushed = (ports: {
  readonly environments: Environments
  readonly queries: Pick<DeployQueries, 'services'>
  isOurs(key: Key): boolean
}) => {
  const { environments: repository, queries, isOurs } = ports
  return {
    /** What the push would break, in lines; its objects are read by these variables. */
    examine: async (
      key: Key,
      updates: readonly Update[],
      variables: Readonly<Record<string, string>>,
    ): Promise<string[]> => {
      const main = isOurs(key) ? updates.find(({ ref }) => ref === environmentsBranch) : undefined
      if (!main || main.after === null) return []
      const { before, after } = main
      const previews = new Set((await queries.services()).map((row) => targetLabel(targetOfRow(row))))
      const problems = await complaintsAbout(repository.within(variables), { before, after, previews })
      if (problems.length === 0) return []
      const more = problems.length > mostShown ? [`and ${problems.length - mostShown} more`] : []
      const shown = problems.slice(0, mostShown).flatMap((problem) => describeProblem(problem).split('\n'))
      return [...shown, ...more, 'the push is refused and nothing was changed']
    },

    /** Where it goes on: one line for each service whose file it changes. */
    asked: async (key: Key, { ref, before, after }: Update): Promise<string[]> => {
      if (!isOurs(key) || ref !== environmentsBranch || after === null) return []
      const targets = await targetsBetween(repository, before, after)
      if (targets.length === 0) return ['read by Headway: headway environments shows what holds now']
      return targets.map((target) => {
        const { service, environment } = target
        return `  · ${service} in ${environment}: headway rollout ${service}${environmentOption(target)} shows how it goes`
      })
    },
  }
}

import type { Clock } from '../clock.ts'
import { fact, type NewFact } from '../ledger/fact.ts'
import { repositorySubject } from '../names.ts'
import type { Store } from '../store/store.ts'
import { type Conclusion, type Failure, mainBroken, mainMended, pushVerified, workflowEventConcluded } from './facts.ts'
import { defaultBranchOf, type RepositoryPath, readCommit, summaryOf } from './git.ts'
import { findMain } from './mains.ts'
import type { Origin } from './origins.ts'
import type { BuildTables } from './tables.ts'

/** How all the runs of a push or an event ended together. */
export type Ending = {
  readonly conclusion: Conclusion
  readonly failure: Failure | null
  readonly notes: readonly string[]
  readonly runs: readonly EndedRun[]
}
export type EndedRun = {
  readonly run: string
  readonly workflow: string | null
  readonly name: string
  readonly conclusion: Conclusion
}

/** The facts by which the rest of Headway learns of the end: the verdict, and before it what it means for the default branch. */
export const createConclusions =
  ({
    store,
    clock,
    repositoryPath,
  }: {
    readonly store: Store
    readonly clock: Clock
    readonly repositoryPath: RepositoryPath
  }) =>
  async (origin: Origin, ending: Ending): Promise<readonly NewFact[]> => {
    const { project, repository, ref, commit, push, event, seq } = origin
    const { conclusion, failure, runs } = ending
    const about = { subject: origin.subject, actor: 'system:build', causes: [seq] }
    const notes = [...ending.notes]
    if (push === null) {
      const payload = { event: event ?? '', project, repository, commit, conclusion, failure, notes }
      return [fact(workflowEventConcluded, { ...about, payload: { ...payload, runs: [...runs] } })]
    }
    const isSuperseded = origin.conclusion !== null && (await isOvertaken(store, origin))
    const verdict = { push, project, repository, ref, commit, conclusion, failure, notes }
    const payload = { ...verdict, runs: runs.map(({ run }) => run), ...(isSuperseded ? { isSuperseded } : {}) }
    return [
      ...(await mainFacts({ store, clock, repositoryPath }, origin, push, ending)),
      fact(pushVerified, { ...about, payload }),
    ]
  }

type Pushed = Pick<Origin, 'project' | 'repository' | 'ref' | 'seq'>

/** The pushes of the same ref that came later. */
const newerPushes = (store: Store, { project, repository, ref, seq }: Pushed) =>
  store
    .tables<BuildTables>()
    .selectFrom('build_origins')
    .select('origin')
    .where('project', '=', project)
    .where('repository', '=', repository)
    .where('ref', '=', ref)
    .where('event_name', '=', 'push')
    .where('seq', '>', seq)
    .limit(1)

const isOvertaken = async (store: Store, push: Pushed): Promise<boolean> =>
  (await newerPushes(store, push).executeTakeFirst()) !== undefined

/** Whether one of them has spoken already. */
const hasNewerVerdict = async (store: Store, push: Pushed): Promise<boolean> =>
  (await newerPushes(store, push).where('conclusion', 'in', ['success', 'failure']).executeTakeFirst()) !== undefined

const mainFacts = async (
  { store, clock, repositoryPath }: { store: Store; clock: Clock; repositoryPath: RepositoryPath },
  { project, repository, ref, commit, seq, actor }: Origin,
  push: string,
  { conclusion, failure, runs }: Ending,
): Promise<NewFact[]> => {
  const gitDirectory = repositoryPath(project, repository)
  const isMain = ref === `refs/heads/${await defaultBranchOf(gitDirectory)}`
  // What was cancelled or skipped says nothing of the branch.
  if (!isMain || (conclusion !== 'failure' && conclusion !== 'success')) return []
  if (await hasNewerVerdict(store, { project, repository, ref, seq })) return []
  const { broken } = await findMain(store, project, repository)
  const about = { subject: repositorySubject(project, repository), actor: 'system:build', causes: [seq] }
  const place = { project, repository, ref, push, commit }
  if (conclusion === 'success')
    return broken ? [fact(mainMended, { ...about, payload: { ...place, brokenSince: broken.brokenSince } })] : []
  const head = await summaryOf(gitDirectory, commit)
  const { ownersAt } = await import('./engine.ts')
  const payload = {
    ...place,
    runs: runs.filter((one) => one.conclusion === 'failure').map(({ run }) => run),
    failure,
    brokenSince: broken?.brokenSince ?? clock.now(),
    wasBroken: broken !== null,
    pusher: actor,
    author: head && { name: head.authorName, email: head.authorEmail },
    owners: await ownersAt(readCommit(gitDirectory, commit)).catch(() => []),
  }
  return [fact(mainBroken, { ...about, payload })]
}

import type { Kysely } from 'kysely'
import type { Clock } from '../clock.ts'
import { type PlannedService, planCommit } from '../golden/index.ts'
import type { ProjectName, RepositoryName } from '../names.ts'
import type { Hold } from './layout.ts'
import { failure, type Outcome, refusal, taken } from './outcome.ts'
import { type Bench, packageService } from './packaging.ts'
import type { Push, Work } from './rows.ts'
import { defaultBranch, openSource, type Run, type Source, textsOf } from './source.ts'
import type { PackageTables } from './views.ts'

export type Commits = {
  /** What becomes of each headway.yaml of a push; nothing does of a push to another branch than the default one. */
  outcomesOfPush(push: Push, hold: Hold): Promise<readonly Outcome[]>
  /** What becomes of each headway.yaml of a commit. Whatever is wrong with a service is its outcome. */
  outcomesOf(work: Work, hold: Hold): Promise<readonly Outcome[]>
}

/** Packages the services of commits. */
export const createCommits = (parts: {
  readonly clock: Clock
  readonly run: Run
  readonly db: Kysely<PackageTables>
  readonly bench: Bench
  repositoryPath(project: ProjectName, repository: RepositoryName): string
}): Commits => {
  const { clock, run, db, bench } = parts

  const outcomesOf = async (work: Work, hold: Hold): Promise<readonly Outcome[]> => {
    const source = await openSource(run, parts.repositoryPath(work.project, work.repository), work.commit)
    const { services, refused } = await planCommit(
      source.files.map(({ path }) => path),
      (paths) => textsOf(source, paths),
    )
    const owners = await db.selectFrom('package_owners').selectAll().where('project', '=', work.project).execute()
    const ownerOf = new Map(owners.map(({ service, repository }) => [service, repository]))
    return Promise.all([
      ...refused.map((one) => refusal(work, one)),
      ...services.map((service) => {
        const owner = ownerOf.get(service.definition.name)
        return owner !== undefined && owner !== work.repository
          ? taken(service, owner)
          : outcomeOf(work, hold, source, service)
      }),
    ])
  }

  const outcomeOf = async (work: Work, hold: Hold, source: Source, service: PlannedService): Promise<Outcome> => {
    const { name } = service.definition
    const { project, repository, commit, push = null, runs = [], change } = work
    const origin = { project, repository, commit, committedAtSeconds: source.committedAtSeconds }
    try {
      const referrer = { push, runs, packagedAt: new Date(clock.now()).toISOString() }
      const about = { name: `${work.name}-${name}`, referrer, isProposed: change !== null }
      const { image, sizeBytes } = await packageService(bench, hold, origin, source, service, about)
      return { kind: 'released', service: name, path: service.path, digest: image.digest, sizeBytes }
    } catch (error) {
      return failure(name, service.path, error)
    }
  }

  return {
    outcomesOfPush: async (push, hold) => {
      const gitDirectory = parts.repositoryPath(push.project, push.repository)
      if ((await defaultBranch(run, gitDirectory)) !== push.ref) return []
      return outcomesOf({ ...push, name: push.push, change: null }, hold)
    },
    outcomesOf,
  }
}

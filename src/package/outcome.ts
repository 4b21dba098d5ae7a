import type { PlannedService, RefusedService } from '../golden/index.ts'
import { fact } from '../ledger/fact.ts'
import { type Digest, ServiceName, serviceSubject } from '../names.ts'
import { describeError, describeProblem, Problem } from '../problem.ts'
import { releaseCreated, releaseFailed } from './facts.ts'
import type { Push } from './rows.ts'
import { Failed, lastLinesOf } from './workshop.ts'

/** What packaging says, it says as this one. */
export const actor = 'system:package'

/** What became of one headway.yaml of a commit. */
export type Outcome =
  | {
      readonly kind: 'released'
      readonly service: ServiceName
      readonly path: string
      readonly digest: Digest
      readonly sizeBytes: number
    }
  | {
      readonly kind: 'failed'
      readonly service: ServiceName
      readonly path: string
      readonly detail: string
      readonly lastLines: readonly string[]
      readonly next: string | null
    }

/** The outcome of a push, as a fact. */
export const outcomeFact = ({ push, seq, project, repository, commit }: Push, outcome: Outcome) => {
  const { service, path } = outcome
  const about = { subject: serviceSubject({ project, service }), actor, causes: [seq] }
  const origin = { push, project, service, repository, commit, path }
  return outcome.kind === 'released'
    ? fact(releaseCreated, { ...about, payload: { ...origin, digest: outcome.digest, sizeBytes: outcome.sizeBytes } })
    : fact(releaseFailed, {
        ...about,
        payload: { ...origin, detail: outcome.detail, lastLines: [...outcome.lastLines], next: outcome.next },
      })
}

/** The file cannot be read as one. */
export const refusal = (push: Pick<Push, 'repository'>, { path, name, problems }: RefusedService): Outcome => {
  const [first, ...others] = problems
  // A file that does not even name its service stands for one that is named like its repository.
  const service = name ?? ServiceName.safeParse(push.repository).data ?? ServiceName.parse('unnamed')
  const { next, ...problem } = first
  return {
    ...{ kind: 'failed', service, path, detail: describeProblem(problem), next: next ?? null },
    lastLines: others.flatMap((other) => describeProblem(other).split('\n')),
  }
}

/** The name of the service belongs to another repository. */
export const taken = ({ path, definition }: PlannedService, owner: string): Outcome => ({
  ...{ kind: 'failed', service: definition.name, path, lastLines: [] },
  detail: `the service ${definition.name} belongs to the repository ${owner}`,
  next: `choose another name in headway.yaml, or remove the service there first (headway service rm ${definition.name})`,
})

/** Packaging it failed. */
export const failure = (service: ServiceName, path: string, error: unknown): Outcome => ({
  ...{ kind: 'failed', service, path },
  detail: error instanceof Problem ? error.detail : `packaging failed: ${describeError(error)}`,
  lastLines:
    error instanceof Failed ? error.lastLines : error instanceof Problem ? [] : lastLinesOf(describeError(error)),
  next: error instanceof Problem ? (error.next ?? null) : null,
})

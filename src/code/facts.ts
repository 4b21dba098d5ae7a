import { z } from 'zod'
import { defineFact } from '../ledger/fact.ts'
import { CommitId, ProjectName, RepositoryName } from '../names.ts'
import { changeFacts } from './changes/facts.ts'
import { DirectPush } from './protection.ts'

export {
  changeAbandoned,
  changeApproved,
  changeCommented,
  changeMerged,
  changeOpened,
  changeQueued,
  changeReopened,
  changeTestRequested,
  changeUpdated,
  mergeWithdrawn,
} from './changes/facts.ts'

export const repositoryCreated = defineFact(
  'repository.created',
  1,
  z.object({ project: ProjectName, repository: RepositoryName }),
)

/** One ref moved by a push (or found moved after a crash). `before` / `after` are null when the ref was created / deleted. */
export const refUpdated = defineFact(
  'ref.updated',
  1,
  z.object({
    push: z.string(),
    project: ProjectName,
    repository: RepositoryName,
    ref: z.string(),
    before: CommitId.nullable(),
    after: CommitId.nullable(),
    /** The push options, as given with `-o`. */
    options: z.array(z.string()),
    /** True when the update was found in the repository rather than seen as it happened. */
    discovered: z.boolean(),
  }),
)

/** A push changed nothing, as it was not allowed or would have broken something. Actor: who tried; subject: the repository. */
export const pushRefused = defineFact(
  'push.refused',
  1,
  z.object({
    project: ProjectName,
    repository: RepositoryName,
    /** What it asked for, the first of it where it was much; nothing where somebody may not push there at all. */
    updates: z.array(z.object({ ref: z.string(), before: CommitId.nullable(), after: CommitId.nullable() })),
    /** The lines that were shown. */
    reasons: z.array(z.string()),
  }),
)

/** Which branches of a repository are kept from deletion, whether they may be forced, and who may push them. Subject: the repository. */
export const protectionSet = defineFact(
  'repository.protection-set',
  1,
  z.object({
    project: ProjectName,
    repository: RepositoryName,
    /** Branch names without `refs/heads/`. */
    branches: z.array(z.string()),
    allowForce: z.boolean(),
    /** Who may push to them; left out: developers. */
    push: DirectPush.optional(),
  }),
)

export const codeFacts = [repositoryCreated, refUpdated, pushRefused, protectionSet, ...changeFacts] as const

import { z } from 'zod'
import { CommitId, Digest, ProjectName, RepositoryName, ServiceName } from '../names.ts'
import type { ListedRelease } from './index.ts'
import type { CandidateRow, PushRow, ReleaseRow } from './views.ts'

/** A commit that is packaged; `name` is that of its folders while it is. */
export type Work = Pick<Push, 'project' | 'repository' | 'commit'> & {
  readonly name: string
  /** The number of the change that proposes it; null: it was pushed to the branch that is deployed. */
  readonly change: number | null
  readonly push?: string
  readonly runs?: readonly string[]
}

/** A push that was verified and is to be packaged; `seq` is the fact that says so. */
export type Push = {
  readonly push: string
  readonly seq: number
  readonly project: ProjectName
  readonly repository: RepositoryName
  readonly ref: string
  readonly commit: CommitId
  readonly runs: readonly string[]
}

export const pushOf = (row: PushRow): Push => ({
  push: row.push,
  seq: Number(row.seq),
  project: ProjectName.parse(row.project),
  repository: RepositoryName.parse(row.repository),
  ref: row.ref,
  commit: CommitId.parse(row.commit_id),
  runs: Runs.parse(JSON.parse(row.runs)),
})

export const candidateOf = ({ begun, project, repository, number, commit_id }: CandidateRow) => ({
  begun: Number(begun),
  project: ProjectName.parse(project),
  repository: RepositoryName.parse(repository),
  number: Number(number),
  commit: CommitId.parse(commit_id),
})

/** What the images of a candidate are called in its row. */
export const digestsOf = ({ digests }: Pick<CandidateRow, 'digests'>): Digest[] => Digests.parse(JSON.parse(digests))
const Digests = z.array(Digest)
const Runs = z.array(z.string())

export const knownOf = (row: ReleaseRow) => ({
  project: row.project,
  service: row.service,
  digest: Digest.parse(row.digest),
  seq: Number(row.seq),
})

export const listedOf = (row: ReleaseRow): ListedRelease => ({
  digest: Digest.parse(row.digest),
  project: ProjectName.parse(row.project),
  service: ServiceName.parse(row.service),
  commit: CommitId.parse(row.commit_id),
  repository: RepositoryName.parse(row.repository),
  path: row.path,
  push: row.push,
  sizeBytes: Number(row.size_bytes),
  createdAt: Number(row.created_at),
})

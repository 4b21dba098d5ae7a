import type { Clock, Ids } from '../clock.ts'
import { fact } from '../ledger/fact.ts'
import type { Ledger, Views } from '../ledger/ledger.ts'
import type { CommitId, ProjectName, RepositoryName } from '../names.ts'
import { Problem } from '../problem.ts'
import type { Store } from '../store/store.ts'
import { personOf } from './ended-because.ts'
import { environmentProtected, jobApprovalDecided, workflowEventRaised } from './facts.ts'
import { defaultBranchOf, type RepositoryPath, readCommit, resolveCommit } from './git.ts'
import type { Raised } from './origins.ts'
import type { BuildTables } from './tables.ts'
import type { Protection } from './waits.ts'

/** A repository, as routes name it. */
export type RepositoryKey = { readonly project: ProjectName; readonly repository: RepositoryName }

export type Dispatch = {
  /** `ci.yml` or `.github/workflows/ci.yml` */
  readonly workflow: string
  /** A branch or tag; null: the default branch. */
  readonly ref: string | null
  readonly inputs: Readonly<Record<string, string | boolean | number>>
}
export type ReleaseNote = {
  readonly tag: string
  readonly name: string
  readonly body: string
  readonly isPrerelease: boolean
}

/** What people ask of the pipeline besides pushing. Refuses with a Problem. */
export const createRequests = (parts: {
  readonly ledger: Ledger
  readonly store: Store
  readonly views: Views
  readonly clock: Clock
  readonly ids: Ids
  readonly repositoryPath: RepositoryPath
}) => {
  const { ledger, store, views, ids, repositoryPath } = parts

  const raise = async (actor: string, ...events: readonly Omit<Raised, 'event'>[]): Promise<string[]> => {
    const named = events.map((about) => ({ ...about, event: ids('event') }))
    await ledger.append(
      named.map((payload) => fact(workflowEventRaised, { subject: `event:${payload.event}`, actor, payload })),
    )
    return named.map(({ event }) => event)
  }

  const defaultPlace = async (key: RepositoryKey) => {
    const gitDirectory = repositoryPath(key.project, key.repository)
    const branch = await defaultBranchOf(gitDirectory)
    return placeOf(key, gitDirectory, `refs/heads/${branch}`)
  }

  const wantedPlace = (key: RepositoryKey, name: string | null) =>
    name === null ? defaultPlace(key) : namedPlace(key, repositoryPath(key.project, key.repository), name)

  return {
    /** The workflows of a branch or tag that can be started by hand, and what each wants to know. */
    dispatchable: async (key: RepositoryKey, name: string | null) => {
      const { ref, commit } = await wantedPlace(key, name)
      const { listDispatchable } = await import('./engine.ts')
      const reader = readCommit(repositoryPath(key.project, key.repository), commit)
      return { ref, ...(await listDispatchable(reader)) }
    },

    /** Starts a workflow that has `workflow_dispatch`, with its inputs checked; resolves to the event. */
    dispatch: async (key: RepositoryKey, wanted: Dispatch, actor: string): Promise<string> => {
      const gitDirectory = repositoryPath(key.project, key.repository)
      const { ref, commit } = await wantedPlace(key, wanted.ref)
      const file = wanted.workflow.includes('/') ? wanted.workflow : `.github/workflows/${wanted.workflow}`
      const { parseAll, readInputs } = await import('./engine.ts')
      const found = (await parseAll(readCommit(gitDirectory, commit))).find((one) => one.file === file)
      if (!found) throw unknownWorkflow(file, ref)
      if (found.parsing.kind === 'invalid') {
        const [{ detail, at }] = found.parsing.faults
        throw new Problem({ kind: 'invalid-workflow', status: 422, detail, where: { file, ...at } })
      }
      const trigger = found.parsing.workflow.on.find(({ event }) => event === 'workflow_dispatch')
      if (!trigger)
        throw new Problem({
          kind: 'not-dispatchable',
          status: 422,
          detail: `${file} does not have the trigger workflow_dispatch`,
          next: 'add workflow_dispatch to its on:, and push that',
        })
      const scope = { contexts: {}, status: { success: true, failure: false, cancelled: false } }
      const reading = await readInputs(trigger.inputs, wanted.inputs, scope)
      if (reading.kind === 'refused')
        throw new Problem({
          kind: 'invalid-inputs',
          status: 422,
          detail: reading.faults.map(({ detail }) => detail).join('; '),
          ...(reading.faults.length === 1 ? { where: { path: `inputs.${reading.faults[0].input}` } } : {}),
          next: `inputs of ${file}: ${trigger.inputs.map(({ name }) => name).join(', ') || 'none'}`,
        })
      const texts = Object.entries(reading.inputs).map(([name, value]) => [name, String(value)])
      const payload = { inputs: Object.fromEntries(texts), ref, workflow: file }
      const about = { name: 'workflow_dispatch', action: null, workflow: file, inputs: { ...reading.inputs }, payload }
      const [event = ''] = await raise(actor, { ...key, ref, commit, ...noBranches, ...about })
      return event
    },

    /** A `repository_dispatch` for the workflows of the default branch; `type` is what they filter by. */
    dispatchRepository: async (
      key: RepositoryKey,
      { type, payload }: { type: string; payload: Record<string, unknown> },
      actor: string,
    ): Promise<string> => {
      const { ref, commit } = await defaultPlace(key)
      const about = { name: 'repository_dispatch', action: type, workflow: null, inputs: {} }
      const github = { client_payload: payload, branch: ref.replace('refs/heads/', '') }
      const [event = ''] = await raise(actor, { ...key, ref, commit, ...noBranches, ...about, payload: github })
      return event
    },

    /** A `release` of a tag that is there: created and published, and released where it is no pre-release. */
    release: async (key: RepositoryKey, note: ReleaseNote, actor: string): Promise<string[]> => {
      const gitDirectory = repositoryPath(key.project, key.repository)
      const { ref, commit } = await placeOf(key, gitDirectory, `refs/tags/${note.tag}`)
      const release = {
        tag_name: note.tag,
        name: note.name,
        body: note.body,
        draft: false,
        prerelease: note.isPrerelease,
        target_commitish: commit,
      }
      const about = { name: 'release', workflow: null, inputs: {}, payload: { release } }
      const actions = ['created', 'published', note.isPrerelease ? 'prereleased' : 'released']
      return raise(actor, ...actions.map((action) => ({ ...key, ref, commit, ...noBranches, ...about, action })))
    },

    /** Answers the jobs of a run that wait for an environment; resolves to which they were. */
    decideApproval: async (
      project: ProjectName,
      run: string,
      answer: { environment: string; isApproved: boolean; comment: string | null },
      actor: string,
    ): Promise<string[]> => {
      await views.reach()
      const tables = store.tables<BuildTables>()
      const row = await tables
        .selectFrom('build_runs')
        .select(['attempt', 'actor'])
        .where('project', '=', project)
        .where('run', '=', run)
        .executeTakeFirst()
      const environment = answer.environment.toLowerCase()
      const waiting = row === undefined ? [] : await jobsWaitingFor(store, run, row.attempt, environment)
      if (!row || waiting.length === 0)
        throw new Problem({
          kind: 'nothing-to-approve',
          status: 409,
          detail: `no job of ${run} waits for an approval of the environment ${environment}`,
          next: `headway runs ${run} shows what its jobs wait for`,
        })
      const protection = await tables
        .selectFrom('build_environments')
        .select('allows_own_approval')
        .where('project', '=', project)
        .where('environment', '=', environment)
        .executeTakeFirst()
      if (answer.isApproved && protection?.allows_own_approval === 0 && personOf(actor) === personOf(row.actor))
        throw new Problem({
          kind: 'own-approval',
          status: 403,
          detail: `${personOf(actor)} caused ${run} and cannot approve its use of ${environment}`,
          next: 'ask somebody else who has the role operator in the project',
        })
      await ledger.append(
        waiting.map((job) =>
          fact(jobApprovalDecided, { subject: `run:${run}`, actor, payload: { run, job, ...answer, environment } }),
        ),
      )
      return waiting
    },

    protectEnvironment: async (
      project: ProjectName,
      environment: string,
      { needsApproval, allowsOwnApproval, refs }: Protection,
      actor: string,
    ): Promise<void> => {
      const name = environment.toLowerCase()
      const payload = { project, environment: name, needsApproval, allowsOwnApproval, refs: refs && [...refs] }
      await ledger.append([fact(environmentProtected, { subject: `environment:${project}/${name}`, actor, payload })])
    },
  }
}

export type Requests = ReturnType<typeof createRequests>

const noBranches = { baseRef: null, headRef: null, changedSince: null, isTrusted: true }

const jobsWaitingFor = async (store: Store, run: string, attempt: number, environment: string): Promise<string[]> => {
  const wanted = JSON.stringify({ kind: 'approval', environment })
  const tables = store.tables<BuildTables>()
  const rows = await tables
    .selectFrom('build_jobs')
    .select('job')
    .where('run', '=', run)
    .where('attempt', '=', attempt)
    .where('wait', '=', wanted)
    .orderBy('seq')
    .execute()
  const said = await tables
    .selectFrom('build_approvals')
    .select('job')
    .where('run', '=', run)
    .where('attempt', '=', attempt)
    .execute()
  return rows.map(({ job }) => job).filter((job) => !said.some((one) => one.job === job))
}

type Place = { readonly ref: string; readonly commit: CommitId }

const placeOf = async (key: RepositoryKey, gitDirectory: string, ref: string): Promise<Place> => {
  const commit = await resolveCommit(gitDirectory, ref)
  if (commit !== null) return { ref, commit }
  throw new Problem({
    kind: 'unknown-ref',
    status: 404,
    detail: `there is no ${ref} in ${key.project}/${key.repository}`,
    next: 'git push it first',
  })
}

/** A branch stands before a tag of the same name, as with `git push`. */
const namedPlace = async (key: RepositoryKey, gitDirectory: string, name: string): Promise<Place> => {
  if (/^refs\/(heads|tags)\//.test(name)) return placeOf(key, gitDirectory, name)
  const branch = await resolveCommit(gitDirectory, `refs/heads/${name}`)
  return branch === null
    ? placeOf(key, gitDirectory, `refs/tags/${name}`)
    : { ref: `refs/heads/${name}`, commit: branch }
}

const unknownWorkflow = (file: string, ref: string): Problem =>
  new Problem({
    kind: 'unknown-workflow',
    status: 404,
    detail: `there is no workflow ${file} on ${ref}`,
    next: 'name a file of .github/workflows/ that is there',
  })

import { z } from 'zod'
import type { OutsideRecordInput } from '../records.ts'
import * as github from '../sources/github.ts'
import * as gitlab from '../sources/gitlab.ts'
import { fits } from '../sources/reading.ts'
import type { CsvFile } from './csv.ts'
import { readJson } from './json.ts'
import { filled, type History, openSpool, type Spool } from './spool.ts'

export type DumpRules = {
  /** `octo/shop`: the answers of the API do not say it. */
  readonly repository: string
  readonly deployJobs: readonly string[]
  readonly releases: boolean
  readonly incidentLabels: readonly string[]
}

/**
 * What GitHub's API answers for pulls, runs, deployments and their statuses, releases and issues (`gh api --paginate`), as the webhooks
 * told it when it happened: under the same keys, so that one may follow the other. Statuses and their deployments may come in any order. All
 * files are read and kept aside on disk before the first record is told, so that of one that cannot be read nothing is.
 */
export const readGitHubDump = (files: Files, rules: DumpRules): Promise<History> =>
  readDump(files, rules.repository, (item, kept) => keepGitHub(item, kept, rules))

/** The same of GitLab's API: merge requests, pipelines, deployments and issues. */
export const readGitLabDump = (files: Files, rules: DumpRules): Promise<History> =>
  readDump(files, rules.repository, (item, kept) => {
    const records = gitLabRecords(item, rules)
    kept.records(records ?? [])
    return records !== null
  })

type Files = Iterable<CsvFile> | AsyncIterable<CsvFile>
/** Keeps what an item says; false: it is of no kind that is known. */
type Keep = (item: unknown, kept: Kept) => boolean

const readDump = (files: Files, repository: string, keep: Keep): Promise<History> =>
  filled(openSpool(), async (spool) => {
    const kept = keptIn(spool)
    spool.exec('BEGIN')
    for await (const file of files)
      for await (const items of readJson(file))
        for (const item of items) if (!keep(item, kept)) for (const one of listedIn(item)) keep(one, kept)
    spool.exec('COMMIT')
    return {
      total: kept.total(),
      records: () => kept.told(repository),
      [Symbol.dispose]: () => spool[Symbol.dispose](),
    }
  })

type Kept = ReturnType<typeof keptIn>

/** Records by when they were read. Of a status that is over only its deployment's number is known until all is read. */
const keptIn = (spool: Spool) => {
  spool.exec(`
    CREATE TABLE told (place INTEGER PRIMARY KEY, records TEXT, deployment INTEGER, status TEXT) STRICT;
    CREATE TABLE deployments (id INTEGER PRIMARY KEY, said TEXT) STRICT`)
  const records = spool.prepare('INSERT INTO told (records) VALUES (?)')
  const status = spool.prepare('INSERT INTO told (deployment, status) VALUES (?, ?)')
  const deployment = spool.prepare('INSERT OR REPLACE INTO deployments (id, said) VALUES (?, ?)')
  const all = 'FROM told LEFT JOIN deployments ON deployments.id = told.deployment'
  return {
    records: (some: readonly OutsideRecordInput[]): void => {
      if (some.length > 0) records.run(JSON.stringify(some))
    },
    status: (own: number, said: z.infer<typeof Status>): void => void status.run(own, JSON.stringify(said)),
    deployment: (said: z.infer<typeof github.Deployment>): void => void deployment.run(said.id, JSON.stringify(said)),
    total: (): number =>
      Number(
        spool.prepare(`SELECT coalesce(sum(json_array_length(records)), 0) + count(said) AS total ${all}`).get()?.total,
      ),
    told: function* (repository: string): Generator<OutsideRecordInput> {
      for (const row of spool.prepare(`SELECT records, status, said ${all} ORDER BY place`).iterate()) {
        if (typeof row.records === 'string') yield* JSON.parse(row.records) as OutsideRecordInput[]
        else if (typeof row.said === 'string' && typeof row.status === 'string')
          yield* github.deploymentRecords(JSON.parse(row.said), JSON.parse(row.status), repository)
      }
    },
  }
}

/** A page of an answer has its list under a name, such as `workflow_runs`. */
const listedIn = (item: unknown): unknown[] =>
  typeof item === 'object' && item !== null
    ? Object.values(item)
        .filter((value) => Array.isArray(value))
        .flat()
    : []
const Status = github.DeploymentStatus.extend({ deployment_url: z.string() })

const keepGitHub = (
  item: unknown,
  kept: Kept,
  { repository, releases, incidentLabels, ...rules }: DumpRules,
): boolean => {
  const deployJobs = (name: string): boolean => rules.deployJobs.some((pattern) => fits(pattern, name))
  const deployment = github.Deployment.safeParse(item).data
  if (deployment && Number.isSafeInteger(deployment.id)) kept.deployment(deployment)
  const status = Status.safeParse(item).data
  if (status) {
    const own = Number(/\/deployments\/(\d+)$/.exec(status.deployment_url)?.[1])
    if (github.deploymentOutcome(status) !== null && Number.isSafeInteger(own)) kept.status(own, status)
    return true
  }
  const pull = github.PullRequest.safeParse(item).data
  const run = pull ? undefined : github.WorkflowRun.safeParse(item).data
  const release = pull || run ? undefined : github.Release.safeParse(item).data
  const issue = pull || run || release ? undefined : github.Issue.safeParse(item).data
  if (pull) kept.records(github.changeStates(pull, repository))
  if (run?.status === 'completed') kept.records(github.runRecords(run, repository, deployJobs))
  if (release && releases) kept.records(github.releaseRecords(release, repository))
  if (issue) kept.records(github.issueRecords(issue, repository, incidentLabels))
  return Boolean(deployment || pull || run || release || issue)
}

const Deployment = z.object({
  id: z.number(),
  status: z.string(),
  sha: z.string(),
  created_at: z.string(),
  updated_at: z.string().nullish(),
  environment: z.object({ name: z.string() }),
  deployable: z.object({ started_at: z.string().nullish(), finished_at: z.string().nullish() }).nullish(),
})
const Pipeline = gitlab.Pipeline.extend({ updated_at: z.string().nullish() })
const Issue = z.object({
  iid: z.number().int(),
  title: z.string(),
  issue_type: z.string(),
  labels: z.array(z.string()).default([]),
  created_at: z.string(),
  closed_at: z.string().nullish(),
})

/** null: of no kind that is known. */
const gitLabRecords = (item: unknown, rules: DumpRules): OutsideRecordInput[] | null => {
  const { repository, incidentLabels } = rules
  const deployJobs = (name: string): boolean => rules.deployJobs.some((pattern) => fits(pattern, name))
  const deployed = Deployment.safeParse(item).data
  if (deployed) {
    const { id, status, sha, deployable, created_at: created, updated_at: updated } = deployed
    const times = {
      startedAt: deployable?.started_at ?? null,
      finishedAt: deployable?.finished_at ?? updated ?? created,
    }
    return gitlab.deploymentRecords({ id, status, revision: sha, ...times }, deployed.environment.name, repository)
  }
  const issue = Issue.safeParse(item).data
  if (issue) {
    const isIncident = issue.issue_type === 'incident' || issue.labels.some((label) => incidentLabels.includes(label))
    const about = {
      type: 'incident' as const,
      id: `${repository}#${issue.iid}`,
      repository,
      title: issue.title.slice(0, 500),
    }
    const opened = { ...about, state: 'opened' as const, at: issue.created_at }
    if (!isIncident) return []
    return issue.closed_at ? [opened, { ...about, state: 'resolved' as const, at: issue.closed_at }] : [opened]
  }
  const pipeline = Pipeline.safeParse(item).data
  if (pipeline)
    return gitlab.pipelineRecords(
      { ...pipeline, finished_at: pipeline.finished_at ?? pipeline.updated_at },
      repository,
      deployJobs,
    )
  const change = gitlab.MergeRequest.safeParse(item).data
  return change ? gitlab.mergeRequestStates(change, repository) : null
}

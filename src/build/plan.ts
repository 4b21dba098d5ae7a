import { planCommit } from '../golden/discover.ts'
import { workflowFor, workflowPath } from '../golden/workflow.ts'
import { problemLine } from '../problem.ts'
import { type Failure, skipNote } from './facts.ts'
import { failureFor } from './failure.ts'
import type { CommitReader } from './git.ts'
import { type OpenRepository, resolveCalls, type WorkflowTree } from './workflow/call.ts'
import { parseWorkflow, type WorkflowParsing } from './workflow/parse.ts'
import type { WorkflowFault } from './workflow/read.ts'
import { skipInstruction } from './workflow/skip.ts'
import { type HappenedEvent, triggering } from './workflow/trigger.ts'
import type { Workflow } from './workflow/workflow.ts'

/** A run to be: `file` is the workflow's path, or null for the generated one; without a workflow it cannot be read, and fails. */
export type PlannedRun = { readonly file: string | null; readonly name: string; readonly workflow: Workflow | null }

export type StartPlan = {
  readonly runs: readonly PlannedRun[]
  readonly notes: readonly string[]
  /** What the files at this commit want to be started by time. */
  readonly schedules: readonly PlannedSchedule[]
}
export type PlannedSchedule = { readonly workflow: string; readonly cron: string; readonly timezone: string | null }

/** Something that happened, and what of it only the planning looks at. */
export type PlannedEvent = HappenedEvent & {
  /** Only this file; null: every one. */
  readonly onlyFile: string | null
  /** The message of the commit that may ask to be skipped; null where none can. */
  readonly message: string | null
}

/**
 * What a push or an event starts: the repository's own workflows where one of them is for such (or cannot be read, which fails), else
 * for branches and pull requests the one that its `headway.yaml` files stand for.
 */
export const planStarts = async (reader: CommitReader, event: PlannedEvent): Promise<StartPlan> => {
  const parsed = await parseAll(reader)
  const schedules = parsed.flatMap(({ file, parsing }) => schedulesOf(file, parsing))
  const plan = (runs: readonly PlannedRun[], ...notes: string[]): StartPlan => ({ runs, notes, schedules })
  const word = event.message === null ? undefined : skipInstruction(event.message)
  if (word !== undefined && isForCommits(event.name)) return plan([], `${skipNote} ${word}`)
  const runs: PlannedRun[] = []
  const notes: string[] = []
  if (event.onlyFile !== null && !parsed.some(({ file }) => file === event.onlyFile))
    notes.push(`there is no workflow ${event.onlyFile} at this commit`)
  for (const { file, parsing } of parsed) {
    if (event.onlyFile !== null && file !== event.onlyFile) continue
    if (parsing.kind === 'invalid') {
      if (event.onlyFile !== null || isForCommits(event.name)) runs.push({ file, name: file, workflow: null })
      else notes.push(`${file} cannot be read`)
      continue
    }
    const { workflow } = parsing
    const answer = await triggering(workflow, event)
    if (answer.kind === 'run') runs.push({ file, name: workflow.name, workflow })
    else notes.push(answer.why)
  }
  if (event.onlyFile !== null || !isForCommits(event.name)) return plan(runs, ...notes)
  const areOwn = parsed.some(
    ({ parsing }) => parsing.kind === 'invalid' || parsing.workflow.on.some(({ event: on }) => isForCommits(on)),
  )
  if (areOwn) return plan(runs, ...notes)
  if (event.ref.startsWith('refs/tags/')) return plan([], ...notes, `${event.ref} is no branch`)
  const services = await planServices(reader)
  if (services.kind === 'none') return plan([], ...notes, 'there is neither a headway.yaml nor a workflow for pushes')
  return plan([{ file: null, name: services.name, workflow: null }], ...notes)
}

const isForCommits = (event: string): boolean => event === 'push' || event === 'pull_request'

const schedulesOf = (file: string, parsing: WorkflowParsing): PlannedSchedule[] =>
  parsing.kind === 'invalid'
    ? []
    : parsing.workflow.on.flatMap(({ schedules }) =>
        schedules.map(({ cron, timezone = null }) => ({ workflow: file, cron, timezone })),
      )

/** All workflow files at a commit, parsed. */
export const parseAll = async (
  reader: CommitReader,
): Promise<readonly { readonly file: string; readonly parsing: WorkflowParsing }[]> => {
  const files = (await reader.list('.github/workflows')).filter((path) =>
    /^\.github\/workflows\/[^/]+\.ya?ml$/.test(path),
  )
  return Promise.all(files.map(async (file) => ({ file, parsing: await parseFile(reader, file) })))
}

export type RunPlan =
  | { readonly kind: 'workflow'; readonly tree: WorkflowTree }
  | { readonly kind: 'refused'; readonly failure: Failure }

/** The workflow of a run that was queued, with those that it calls; the same commits give the same ones. */
export const planRun = async (reader: CommitReader, file: string | null, open: OpenRepository): Promise<RunPlan> => {
  if (file !== null) return checked(file, await parseFile(reader, file), reader, open)
  const services = await planServices(reader)
  if (services.kind === 'refused') return { kind: 'refused', failure: services.failure }
  if (services.kind === 'none')
    return { kind: 'refused', failure: failureAt('there is no headway.yaml any more', null) }
  return checked(workflowPath, parseWorkflow('the generated workflow', services.text), reader, open)
}

const checked = async (
  file: string,
  parsing: WorkflowParsing,
  reader: CommitReader,
  open: OpenRepository,
): Promise<RunPlan> => {
  if (parsing.kind === 'invalid') return refusedAt(file, parsing.faults)
  const calling = await resolveCalls(parsing.workflow, reader, open)
  if (calling.kind === 'invalid') return refusedAt(file, calling.faults)
  return { kind: 'workflow', tree: calling.tree }
}

const refusedAt = (file: string, [first, ...others]: readonly [WorkflowFault, ...WorkflowFault[]]): RunPlan => {
  const { line, column } = first.at
  const lastLines = others.map(({ detail, at }) => `${file}:${at.line}:${at.column}: ${detail}`)
  return { kind: 'refused', failure: failureAt(first.detail, { file, line, column }, lastLines) }
}

/** Who answers for the services at a commit, as their headway.yaml files say. */
export const ownersAt = async (reader: CommitReader): Promise<string[]> => {
  const services = await planServices(reader)
  return services.kind === 'planned' ? [...services.owners] : []
}

const parseFile = async (reader: CommitReader, file: string): Promise<WorkflowParsing> => {
  const text = await reader.read(file)
  if (text !== null) return parseWorkflow(file, text)
  return { kind: 'invalid', faults: [{ detail: 'this is no plain file of at most 1 MiB', at: { line: 1, column: 1 } }] }
}

type ServicesPlan =
  | { readonly kind: 'none' }
  | { readonly kind: 'refused'; readonly name: string; readonly failure: Failure }
  | {
      readonly kind: 'planned'
      readonly name: string
      readonly text: string
      readonly owners: ReadonlySet<string>
    }

const planServices = async (reader: CommitReader): Promise<ServicesPlan> => {
  const paths = await reader.list('.')
  const { services, refused } = await planCommit(paths, async (wanted) => {
    const texts = await Promise.all(wanted.map(async (path) => [path, await reader.read(path)] as const))
    return new Map(texts.flatMap(([path, text]) => (text === null ? [] : [[path, text]])))
  })
  const [first] = refused
  if (first) {
    const [problem] = first.problems
    const { file = 'headway.yaml', line, column } = problem.where ?? {}
    const where = { file, ...(line === undefined ? {} : { line }), ...(column === undefined ? {} : { column }) }
    const all = refused.flatMap(({ problems }) => problems.map(problemLine)).slice(1)
    const detail = problem.next ? `${problem.detail}; next: ${problem.next}` : problem.detail
    return { kind: 'refused', name: first.name ?? file, failure: failureAt(detail, where, all) }
  }
  if (services.length === 0) return { kind: 'none' }
  const filesOf = (folder: string): string[] => {
    const prefix = folder === '.' ? '' : `${folder}/`
    return paths
      .filter((path) => path.startsWith(prefix))
      .map((path) => path.slice(prefix.length))
      .filter((name) => !name.includes('/'))
  }
  const name = services.map(({ definition }) => definition.name).join(', ')
  const owners = new Set(services.flatMap(({ definition }) => definition.owner ?? []))
  return { kind: 'planned', name, text: workflowFor(services, filesOf), owners }
}

const failureAt = (detail: string, where: Failure['where'], lastLines: readonly string[] = []): Failure =>
  failureFor(detail, { where, lastLines: [...lastLines] })

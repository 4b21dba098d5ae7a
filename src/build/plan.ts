import { planCommit } from '../golden/discover.ts'
import { workflowFor, workflowPath } from '../golden/workflow.ts'
import type { CommitId } from '../names.ts'
import type { Failure } from './facts.ts'
import { failureFor } from './failure.ts'
import { type CommitReader, changedPaths } from './git.ts'
import { parseWorkflow, type WorkflowParsing } from './workflow/parse.ts'
import { triggeredByPush } from './workflow/trigger.ts'
import type { Workflow } from './workflow/workflow.ts'

/** The workflows that a push starts: `workflow` is the file's path, or null for the generated one. */
export type PushPlan = {
  readonly runs: readonly { readonly workflow: string | null; readonly name: string }[]
  readonly notes: readonly string[]
}

export type PushedRef = { readonly ref: string; readonly before: CommitId | null; readonly after: CommitId }

/**
 * What a push starts: the repository's own workflows where one of them is for pushes (or cannot be read, which fails), else
 * the one that its `headway.yaml` files stand for, on branches.
 */
export const planPush = async (gitDirectory: string, reader: CommitReader, pushed: PushedRef): Promise<PushPlan> => {
  const files = (await reader.list('.github/workflows')).filter((path) =>
    /^\.github\/workflows\/[^/]+\.ya?ml$/.test(path),
  )
  const parsed = await Promise.all(files.map(async (file) => ({ file, parsing: await parseFile(reader, file) })))
  const runs: { workflow: string; name: string }[] = []
  const notes: string[] = []
  let areForPushes = false
  for (const { file, parsing } of parsed) {
    if (parsing.kind === 'invalid') {
      areForPushes = true
      runs.push({ workflow: file, name: file })
      continue
    }
    const { workflow } = parsing
    areForPushes ||= workflow.on.some(({ event }) => event === 'push')
    const event = { ref: pushed.ref, changedPaths: () => changedPaths(gitDirectory, pushed.before, pushed.after) }
    const triggering = await triggeredByPush(workflow, event)
    if (triggering.kind === 'run') runs.push({ workflow: file, name: workflow.name })
    else notes.push(triggering.why)
  }
  if (areForPushes) return { runs, notes }
  if (!pushed.ref.startsWith('refs/heads/')) return { runs: [], notes: [...notes, `${pushed.ref} is no branch`] }
  const services = await planServices(reader)
  if (services.kind === 'none')
    return { runs: [], notes: [...notes, 'there is neither a headway.yaml nor a workflow for pushes'] }
  return { runs: [{ workflow: null, name: services.name }], notes }
}

export type RunPlan =
  | { readonly kind: 'workflow'; readonly workflow: Workflow; readonly notes: readonly string[] }
  | { readonly kind: 'refused'; readonly failure: Failure }

/** The workflow of a run that was queued; the same commit gives the same one. */
export const planRun = async (reader: CommitReader, file: string | null): Promise<RunPlan> => {
  if (file !== null) return checked(file, await parseFile(reader, file))
  const services = await planServices(reader)
  if (services.kind === 'refused') return { kind: 'refused', failure: services.failure }
  if (services.kind === 'none')
    return { kind: 'refused', failure: failureAt('there is no headway.yaml any more', null) }
  return checked(workflowPath, parseWorkflow('the generated workflow', services.text))
}

const checked = (file: string, parsing: WorkflowParsing): RunPlan => {
  if (parsing.kind === 'parsed') return { kind: 'workflow', workflow: parsing.workflow, notes: parsing.notes }
  const [first, ...others] = parsing.faults
  const { line, column } = first.at
  const lastLines = others.map(({ detail, at }) => `${file}:${at.line}:${at.column}: ${detail}`)
  return { kind: 'refused', failure: failureAt(first.detail, { file, line, column }, lastLines) }
}

const parseFile = async (reader: CommitReader, file: string): Promise<WorkflowParsing> => {
  const text = await reader.read(file)
  if (text !== null) return parseWorkflow(file, text)
  return { kind: 'invalid', faults: [{ detail: 'this is no plain file of at most 1 MiB', at: { line: 1, column: 1 } }] }
}

type ServicesPlan =
  | { readonly kind: 'none' }
  | { readonly kind: 'refused'; readonly name: string; readonly failure: Failure }
  | { readonly kind: 'planned'; readonly name: string; readonly text: string }

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
    const all = refused.flatMap(({ problems }) => problems.map(({ detail }) => detail)).slice(1)
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
  return { kind: 'planned', name, text: workflowFor(services, filesOf) }
}

const failureAt = (detail: string, where: Failure['where'], lastLines: readonly string[] = []): Failure =>
  failureFor(detail, { where, lastLines: [...lastLines] })

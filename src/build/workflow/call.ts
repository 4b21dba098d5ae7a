import type { InputDefinition } from './inputs.ts'
import { parseWorkflow } from './parse.ts'
import type { WorkflowFault } from './read.ts'
import { literalEntries, type Template } from './template.ts'
import type { Call, Callable, Job, Workflow, WorkflowOrigin } from './workflow.ts'

/** A workflow with those that its jobs call, by the id of the job. */
export type WorkflowTree = { readonly workflow: Workflow; readonly calls: ReadonlyMap<string, WorkflowTree> }

/** Where workflow files are read: a repository at a commit. */
export type WorkflowPlace = {
  /** Null: there is no such plain file. */
  read(file: string): Promise<string | null>
  /** Of another repository than the run's. */
  readonly origin?: WorkflowOrigin
}

/** Opens another repository at a ref; a text says why not. */
export type OpenRepository = (owner: string, repository: string, ref: string) => Promise<WorkflowPlace | string>

export type Calling =
  | { readonly kind: 'resolved'; readonly tree: WorkflowTree }
  | { readonly kind: 'invalid'; readonly faults: readonly [CallFault, ...CallFault[]] }

/** `deepest`: where it is and what, where it is in a called workflow. */
type CallFault = WorkflowFault & { readonly deepest?: string }

/** The caller and at most nine below it; https://docs.github.com/en/actions/how-tos/reuse-automations/reuse-workflows#nesting-reusable-workflows */
const maximumLevels = 10
/** Different ones that one workflow may call, those that these call included. */
const maximumCalled = 50

/**
 * Finds the workflows that a workflow calls, and what those call, and checks that each is called as it wants to be. All before anything
 * runs: what is wrong further down is told at the job that calls it.
 */
export const resolveCalls = async (
  workflow: Workflow,
  place: WorkflowPlace,
  open: OpenRepository,
): Promise<Calling> => {
  const seen = new Set<string>()
  const resolve = async (caller: Workflow, at: WorkflowPlace, where: string, level: number): Promise<Calling> => {
    const faults: CallFault[] = []
    const calls = new Map<string, WorkflowTree>()
    for (const job of caller.jobs) {
      if (!job.call) continue
      const found = await follow(job, job.call, at, where, level)
      if (found.kind === 'invalid') faults.push(...found.faults)
      else calls.set(job.id, found.tree)
    }
    const [first, ...others] = faults
    if (first) return { kind: 'invalid', faults: [first, ...others] }
    return { kind: 'resolved', tree: { workflow: caller, calls } }
  }

  const follow = async (job: Job, call: Call, at: WorkflowPlace, where: string, level: number): Promise<Calling> => {
    const fault = (detail: string): Calling => ({ kind: 'invalid', faults: [{ detail, at: call.at }] })
    if (level >= maximumLevels)
      return fault(
        `job ${job.id} calls ${call.uses} as the eleventh level; at most ten levels of workflows are connected`,
      )
    const target = parseUses(call.uses)
    if (!target)
      return fault(
        `uses: ${call.uses} of job ${job.id} must be ./.github/workflows/<file>.yml or <owner>/<repository>/.github/workflows/<file>.yml@<ref>`,
      )
    const opened = target.kind === 'local' ? at : await open(target.owner, target.repository, target.ref)
    if (typeof opened === 'string') return fault(`job ${job.id} cannot call ${call.uses}: ${opened}`)
    const text = await opened.read(target.file)
    if (text === null) return fault(`job ${job.id} calls ${call.uses}, but there is no workflow ${target.file}`)
    const place = target.kind === 'local' ? where : `${target.owner}/${target.repository}@${target.ref}`.toLowerCase()
    seen.add(`${place}:${target.file}`)
    if (seen.size > maximumCalled) return fault(`more than ${maximumCalled} different workflows are called`)
    const parsing = parseWorkflow(target.file, text)
    if (parsing.kind === 'invalid') return nested(call, target.file, parsing.faults[0])
    const called = opened.origin ? { ...parsing.workflow, origin: opened.origin } : parsing.workflow
    const { callable } = called
    if (!callable) return fault(`job ${job.id} calls ${call.uses}, which is not reusable: it has no on: workflow_call`)
    const [wrong, ...rest] = checkCall(call, callable)
    if (wrong) return { kind: 'invalid', faults: [wrong, ...rest] }
    const below = await resolve(called, opened, place, level + 1)
    return below.kind === 'resolved' ? below : nested(call, target.file, below.faults[0])
  }
  return resolve(workflow, place, '', 1)
}

/** What is wrong further down, told with the place where it is: those between are left out. */
const nested = (call: Call, file: string, { detail, at, deepest }: CallFault): Calling => {
  const below = deepest ?? `${file}:${at.line}:${at.column}: ${detail}`
  return {
    kind: 'invalid',
    faults: [{ detail: `${call.uses} cannot be called: ${below}`, at: call.at, deepest: below }],
  }
}

type Target =
  | { readonly kind: 'local'; readonly file: string }
  | {
      readonly kind: 'other'
      readonly owner: string
      readonly repository: string
      readonly file: string
      readonly ref: string
    }

const parseUses = (uses: string): Target | undefined => {
  const local = /^\.\/(\.github\/workflows\/[^/@]+\.ya?ml)$/.exec(uses)?.[1]
  if (local !== undefined) return { kind: 'local', file: local }
  const match = /^([^/@]+)\/([^/@]+)\/(\.github\/workflows\/[^/@]+\.ya?ml)@([^\s@]+)$/.exec(uses)
  if (!match) return undefined
  const [, owner = '', repository = '', file = '', ref = ''] = match
  return { kind: 'other', owner, repository, file, ref }
}

const checkCall = (call: Call, { inputs, secrets }: Callable): WorkflowFault[] => {
  const given = literalEntries(call.with)
  const passed = call.secrets === 'inherit' ? [] : literalEntries(call.secrets)
  const has = (entries: readonly { name: string }[], name: string): boolean =>
    entries.some((entry) => entry.name.toLowerCase() === name.toLowerCase())
  return [
    ...given.flatMap(({ name, key, value }) => {
      const definition = inputs.find((input) => input.name.toLowerCase() === name.toLowerCase())
      if (!definition)
        return [{ detail: `Invalid input, ${name} is not defined in the referenced workflow.`, at: key.at }]
      const detail = literalFault(definition, value)
      return detail === undefined ? [] : [{ detail, at: value.at }]
    }),
    ...inputs
      .filter(({ name, isRequired }) => isRequired && !has(given, name))
      .map(({ name }) => ({ detail: `Input ${name} is required, but not provided while calling.`, at: call.at })),
    ...passed
      .filter(({ name }) => !has(secrets, name) && name.toUpperCase() !== 'GITHUB_TOKEN')
      .map(({ name, key }) => ({
        detail: `Invalid secret, ${name} is not defined in the referenced workflow.`,
        at: key.at,
      })),
    ...(call.secrets === 'inherit' ? [] : secrets)
      .filter(({ name, isRequired }) => isRequired && !has(passed, name))
      .map(({ name }) => ({ detail: `Secret ${name} is required, but not provided while calling.`, at: call.at })),
  ]
}

const literalFault = ({ name, type }: InputDefinition, value: Template): string | undefined => {
  if (value.kind !== 'literal' || value.value === null) return undefined
  if ((type === 'boolean' || type === 'number') && typeof value.value !== type)
    return `Input ${name} must be a ${type}, not ${JSON.stringify(value.value)}.`
  return undefined
}

import { join } from 'node:path'
import type { Action, PostAction } from '../jobs/actions.ts'
import type { JobRun } from '../jobs/job-run.ts'
import { nextNumber } from '../jobs/job-run.ts'
import { readOfJob } from '../jobs/workspace.ts'
import type { Json } from '../workflow/expression.ts'
import type { Step, UsesStep } from '../workflow/workflow.ts'
import type { ActionFiles } from './library.ts'
import { type ContainerRuns, type Manifest, manifestNames, parseManifest } from './manifest.ts'
import { type ActionReference, describeReference, nameOf, type RemoteReference, readReference } from './reference.ts'

/** A step that uses an action, through all its stages. */
export type Invocation = {
  readonly step: UsesStep
  readonly reference: ActionReference
  /** Null for an action of the workspace until it runs: an earlier step brings it there. */
  definition: Definition | null
  /** Of a composite action: those of its steps that use actions. */
  readonly children: Map<Step, Invocation>
  /** Of a composite action: its own `steps` context. */
  readonly steps: Record<string, Json>
  /** What GITHUB_STATE and `save-state` keep from one stage for the next. */
  readonly state: Record<string, string>
  /** What a built-in action wants to do at the job's end. */
  post: PostAction | null
  /** Of a composite action: those of its steps that have something to do at the job's end, in the order in which they began. */
  readonly posts: Invocation[]
}

export type Definition =
  | { readonly kind: 'built-in'; readonly action: Action }
  | { readonly kind: 'manifest'; readonly directory: string; readonly manifest: Manifest }
  | { readonly kind: 'image'; readonly image: string }

/**
 * How many composite actions may be around one another. actions/runner, docs/adrs/1144-composite-actions.md says ten; its code stops at nine
 * (src/Runner.Common/Constants.cs: `CompositeActionsMaxDepth`) and begins to count anew at each action of the workspace.
 */
const maximumDepth = 10

/** Finds what steps use, brings it into the job's directories, and reads how it is run. */
export type Preparation = {
  /** The invocations of those of the steps that use actions. What cannot be had is told to `fault`, all of it. */
  prepare(
    steps: readonly Step[],
    depth: number,
    fault: (step: UsesStep, detail: string) => void,
  ): Promise<Map<Step, Invocation>>
  /** Reads an action of the workspace, whose own actions are brought now. Throws an Error when there is none or it is broken. */
  load(invocation: Invocation, depth: number): Promise<Definition>
}

export const createPreparation = (run: JobRun): Preparation => {
  const brought = new Map<string, Promise<string>>()

  const prepare: Preparation['prepare'] = async (steps, depth, fault) => {
    const invocations = new Map<Step, Invocation>()
    for (const step of steps) {
      if (step.kind !== 'uses') continue
      const reading = readReference(step.action)
      if (reading.kind === 'refused') {
        fault(step, reading.detail)
        continue
      }
      const invocation = begun(step, reading.reference)
      invocations.set(step, invocation)
      const tell = (detail: string): void => fault(step, detail)
      invocation.definition = await define(reading.reference, tell)
      await prepareChildren(invocation, depth, tell)
    }
    return invocations
  }

  const define = async (reference: ActionReference, fault: (detail: string) => void): Promise<Definition | null> => {
    if (reference.kind === 'local') return null
    if (reference.kind === 'image') {
      if (!run.at.cell.containers) fault(needsEngine(reference))
      return { kind: 'image', image: reference.image }
    }
    const action = run.place.actions.get(nameOf(reference))
    if (action) return { kind: 'built-in', action }
    const finding = await run.place.library.find(reference, run.order.source)
    if (finding.kind === 'missing') {
      fault(finding.detail)
      return null
    }
    try {
      const manifest = await manifestIn(reference, (path) => finding.files.read(path))
      if (manifest.runs.kind === 'container' && !run.at.cell.containers) fault(needsEngine(reference))
      return { kind: 'manifest', manifest, directory: join(await bring(finding.files), reference.path) }
    } catch (error) {
      fault(error instanceof Error ? error.message : String(error))
      return null
    }
  }

  const prepareChildren = async (
    { definition, children }: Invocation,
    depth: number,
    fault: (detail: string) => void,
  ): Promise<void> => {
    if (definition?.kind !== 'manifest' || definition.manifest.runs.kind !== 'composite') return
    if (depth >= maximumDepth)
      return fault(`Composite action depth exceeded max depth ${maximumDepth}: an action in it uses one more`)
    const found = await prepare(definition.manifest.runs.steps, depth + 1, (step, detail) =>
      fault(`${step.action}: ${detail}`),
    )
    for (const [step, child] of found) children.set(step, child)
  }

  /** Unpacked once for all the steps that use it, by the job's own user, whom no link in it leads to more. */
  const bring = (files: ActionFiles): Promise<string> => {
    const known = brought.get(files.key) ?? unpack(files, join(run.at.workspace.actions, String(brought.size + 1)))
    brought.set(files.key, known)
    return known
  }
  const unpack = async (files: ActionFiles, directory: string): Promise<string> => {
    const { tar, done } = files.archive()
    if (!tar.stdout) throw new Error('git archive could not be started')
    const unpacking = await run.at.cell.start({
      argv: ['sh', '-c', 'mkdir -p "$1" && exec tar -xf - -C "$1"', 'unpack', directory],
      cwd: run.at.workspace.actions,
      env: { PATH: (run.at.cell.path ?? run.place.path).join(':') },
      input: tar.stdout,
      marker: `${run.at.marker}${nextNumber(run)}/`,
    })
    const said = textOf(unpacking.stderr)
    unpacking.stdout.resume()
    const { exitCode } = await unpacking.ended
    if (exitCode !== 0) throw new Error(`${files.key} could not be unpacked: ${(await said).trim()}`)
    await done
    return directory
  }

  const load: Preparation['load'] = async (invocation, depth) => {
    const { reference } = invocation
    if (invocation.definition) return invocation.definition
    if (reference.kind !== 'local') throw new Error(`${describeReference(reference)} was not brought`)
    const { workspace, user } = run.at
    const read = async (path: string): Promise<string | null> => {
      try {
        return readOfJob(workspace, path, user)
      } catch {
        return null // the next name is tried
      }
    }
    const manifest = await manifestIn(reference, read)
    if (manifest.runs.kind === 'container' && !run.at.cell.containers) throw new Error(needsEngine(reference))
    const definition = { kind: 'manifest', manifest, directory: join(workspace.work, reference.path) } as const
    invocation.definition = definition
    const faults: string[] = []
    await prepareChildren(invocation, depth, (detail) => faults.push(detail))
    if (faults.length > 0) throw new Error(faults.join('\n'))
    return definition
  }

  return { prepare, load }
}

const begun = (step: UsesStep, reference: ActionReference): Invocation => ({
  step,
  reference,
  definition: null,
  children: new Map(),
  steps: {},
  state: {},
  post: null,
  posts: [],
})

const needsEngine = (reference: ActionReference): string =>
  `${describeReference(reference)} runs in a container, and there is no Docker Engine that this runner can use; install one, or run the job on a runner that has one`

/** An action without a manifest is its Dockerfile, as in actions/runner, ActionManager.cs. */
const manifestIn = async (
  reference: ActionReference & { kind: 'local' | 'remote' },
  read: (path: string) => Promise<string | null>,
): Promise<Manifest> => {
  const within = (name: string): string => (reference.path === '' ? name : `${reference.path}/${name}`)
  for (const name of manifestNames) {
    const text = await read(within(name))
    if (text !== null) return parseManifest(describeFile(reference, within(name)), text)
  }
  for (const image of ['Dockerfile', 'dockerfile'])
    if ((await read(within(image))) !== null)
      return { name: describeReference(reference), inputs: [], runs: bare(image) }
  throw new Error(
    `Can't find 'action.yml', 'action.yaml' or 'Dockerfile' under '${describeReference(reference)}'.${reference.kind === 'local' ? ' Did you forget to run actions/checkout before running your local action?' : ''}`,
  )
}

const bare = (image: string): ContainerRuns => ({
  kind: 'container',
  image,
  main: null,
  args: undefined,
  env: undefined,
  pre: null,
  preIf: 'always()',
  post: null,
  postIf: 'always()',
})

const describeFile = (reference: RemoteReference | { kind: 'local' }, path: string): string =>
  reference.kind === 'local' ? path : `${reference.owner}/${reference.repository}@${reference.ref}:${path}`

const textOf = async (stream: NodeJS.ReadableStream): Promise<string> => {
  let text = ''
  for await (const chunk of stream) if (text.length < 10_000) text += String(chunk)
  return text
}

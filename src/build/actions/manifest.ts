import { stepsOf } from '../workflow/parse.ts'
import { readTemplate } from '../workflow/read.ts'
import { literalEntries, type Template, textOf, valueAt } from '../workflow/template.ts'
import type { Step } from '../workflow/workflow.ts'

/** An action as its `action.yml` describes it. */
export type Manifest = {
  readonly name: string
  readonly inputs: readonly InputDefinition[]
  readonly runs: JavaScriptRuns | CompositeRuns | ContainerRuns
}

export type InputDefinition = {
  /** As written; compared ignoring case. */
  readonly name: string
  readonly default: Template | undefined
  readonly deprecation: string | null
}

/** What runs before a job's steps and after them, where an action has that. Conditions are expressions without braces. */
type Surrounding = {
  readonly pre: string | null
  readonly preIf: string
  readonly post: string | null
  readonly postIf: string
}

/** All paths from the action's folder. */
export type JavaScriptRuns = Surrounding & { readonly kind: 'javascript'; readonly main: string }

export type CompositeRuns = {
  readonly kind: 'composite'
  readonly steps: readonly Step[]
  readonly outputs: readonly { readonly name: string; readonly value: Template | undefined }[]
}

/** `pre`, `main` and `post` are entry points; null: the image's own, and for pre and post none. */
export type ContainerRuns = Surrounding & {
  readonly kind: 'container'
  /** `Dockerfile`, a path to one, or `docker://image`. */
  readonly image: string
  readonly main: string | null
  readonly args: readonly Template[] | undefined
  readonly env: Template | undefined
}

/** The names that an action's file may have, the first one first. */
export const manifestNames: readonly string[] = ['action.yml', 'action.yaml']

/**
 * Reads an `action.yml`. Throws an Error with all that is wrong and where. Semantics: actions/runner,
 * src/Runner.Worker/ActionManifestManager.cs.
 */
export const parseManifest = (file: string, text: string): Manifest => {
  const reading = readTemplate(file, text, 'action')
  if (reading.kind === 'refused')
    throw new Error(reading.faults.map(({ detail, at }) => `${file}:${at.line}:${at.column}: ${detail}`).join('\n'))
  const { root } = reading
  return {
    name: textOf(valueAt(root, 'name')) ?? file,
    inputs: literalEntries(valueAt(root, 'inputs')).map(({ name, value }) => ({
      name,
      default: valueAt(value, 'default'),
      deprecation: textOf(valueAt(value, 'deprecationMessage')) ?? null,
    })),
    runs: runsOf(file, valueAt(root, 'runs'), valueAt(root, 'outputs')),
  }
}

const runsOf = (file: string, runs: Template | undefined, outputs: Template | undefined): Manifest['runs'] => {
  if (!runs) throw new Error(`${file}: Top level 'runs:' section is required`)
  const text = (name: string): string | null => textOf(valueAt(runs, name)) || null
  const using = text('using')?.toLowerCase()
  switch (using) {
    case 'node12':
    case 'node16':
    case 'node20':
    case 'node24': {
      const main = text('main')
      if (main === null) throw new Error(`${file}: a JavaScript action needs runs.main`)
      return { kind: 'javascript', main, ...surrounding(text, 'pre', 'post') }
    }
    case 'composite': {
      const steps = valueAt(runs, 'steps')
      if (!steps) throw new Error(`${file}: a composite action needs runs.steps`)
      return {
        kind: 'composite',
        steps: stepsOf(steps),
        outputs: literalEntries(outputs).map(({ name, value }) => ({ name, value: valueAt(value, 'value') })),
      }
    }
    case 'docker': {
      const image = text('image')
      if (image === null) throw new Error(`${file}: a container action needs runs.image`)
      const args = valueAt(runs, 'args')
      return {
        kind: 'container',
        image,
        main: text('entrypoint'),
        args: args?.kind === 'sequence' ? args.items : undefined,
        env: valueAt(runs, 'env'),
        ...surrounding(text, 'pre-entrypoint', 'post-entrypoint'),
      }
    }
    default:
      throw new Error(
        `${file}: using: ${using ?? '(nothing)'} is not supported, use 'composite', 'docker', 'node20' or 'node24'`,
      )
  }
}

const surrounding = (text: (name: string) => string | null, pre: string, post: string): Surrounding => ({
  pre: text(pre),
  preIf: bare(text('pre-if')),
  post: text(post),
  postIf: bare(text('post-if')),
})

/** A condition may stand in braces, as everywhere; nobody's means always. */
const bare = (condition: string | null): string => {
  const text = condition?.trim() ?? ''
  const inner = /^\$\{\{(.*)\}\}$/s.exec(text)?.[1]?.trim()
  return (inner ?? text) || 'always()'
}

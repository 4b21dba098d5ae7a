import type { Trigger, Workflow } from './workflow.ts'

/** A push or an event, as far as filters look at it. */
export type HappenedEvent = {
  /** push, pull_request, schedule */
  readonly name: string
  /** The activity type; of a `repository_dispatch` what its sender calls it. */
  readonly action: string | null
  readonly ref: string
  /** Of a pull request: the name of the branch that it is for. */
  readonly baseRef: string | null
  /** Of a `workflow_run`: the name of the workflow and the branch that it ran for. */
  readonly ran: { readonly workflow: string; readonly branch: string | null } | null
  /** Null: filters of paths are not looked at. */
  readonly changedPaths: (() => Promise<readonly string[]>) | null
}

/** Whether something starts the workflow; when not, why not. */
export type Triggering = { readonly kind: 'run' } | { readonly kind: 'ignore'; readonly why: string }

/** What an event that names no types stands for; of others, all. */
const defaultTypes: Readonly<Record<string, readonly string[]>> = {
  pull_request: ['opened', 'synchronize', 'reopened'],
  pull_request_target: ['opened', 'synchronize', 'reopened'],
  merge_group: ['checks_requested'],
}

/** https://docs.github.com/en/actions/reference/workflows-and-actions/events-that-trigger-workflows */
export const triggering = async (workflow: Workflow, event: HappenedEvent): Promise<Triggering> => {
  const trigger = workflow.on.find((one) => one.event === event.name)
  if (!trigger) {
    const on = workflow.on.map((one) => one.event).join(', ')
    return ignore(`${workflow.file} is not started by ${event.name} (on: ${on})`)
  }
  const types = trigger.types ?? defaultTypes[event.name]
  if (types && event.action !== null && !types.includes(event.action))
    return ignore(`${workflow.file} does not run for ${event.name} ${event.action} (types: ${types.join(', ')})`)
  if (trigger.workflows && !(event.ran && trigger.workflows.includes(event.ran.workflow)))
    return ignore(`${workflow.file} runs after other workflows (workflows: ${trigger.workflows.join(', ')})`)
  if (!refMatches(trigger, refFor(event))) return ignore(`${workflow.file} does not run for ${refFor(event)}`)
  if (await pathsMatch(trigger, event)) return run
  return ignore(`${workflow.file} does not run: no path that it filters for was changed`)
}

const run: Triggering = { kind: 'run' }
const ignore = (why: string): Triggering => ({ kind: 'ignore', why })

/** Pull requests are filtered by the branch that they are for, a `workflow_run` by the branch that was run. */
const refFor = ({ ref, baseRef, ran }: HappenedEvent): string => {
  if (ran) return `refs/heads/${ran.branch ?? ''}`
  return baseRef === null ? ref : `refs/heads/${baseRef}`
}

/** With filters for branches only, tags do not run, and the other way round. */
const refMatches = ({ branches, branchesIgnore, tags, tagsIgnore }: Trigger, ref: string): boolean => {
  const hasBranches = branches !== undefined || branchesIgnore !== undefined
  const hasTags = tags !== undefined || tagsIgnore !== undefined
  if (!hasBranches && !hasTags) return true
  const isTag = ref.startsWith('refs/tags/')
  const name = ref.replace(/^refs\/(heads|tags)\//, '')
  const [include, exclude] = isTag ? [tags, tagsIgnore] : [branches, branchesIgnore]
  if (include) return matchesAny(include, name)
  return exclude !== undefined && !matchesAny(exclude, name)
}

const pathsMatch = async ({ paths, pathsIgnore }: Trigger, { ref, changedPaths }: HappenedEvent): Promise<boolean> => {
  const isTag = ref.startsWith('refs/tags/') // path filters are not evaluated for tags
  if (isTag || changedPaths === null || (!paths && !pathsIgnore)) return true
  const changed = await changedPaths()
  return changed.some((path) => (paths ? matchesAny(paths, path) : !matchesAny(pathsIgnore ?? [], path)))
}

/** The last pattern that matches decides; one with `!` takes away again. */
export const matchesAny = (patterns: readonly string[], name: string): boolean =>
  patterns.reduce(
    (is, pattern) =>
      pattern.startsWith('!')
        ? is && !filterPattern(pattern.slice(1)).test(name)
        : is || filterPattern(pattern).test(name),
    false,
  )

/** GitHub's filter patterns: `*` within a path's part, `**` over parts, `?` and `+` after a character, `[...]`, `\` to escape. */
export const filterPattern = (pattern: string): RegExp => {
  const source = pattern.replaceAll(
    /\*\*\/|\*\*|\*|\\(.)|\[[^\]]*\]|[?+]|[^*?+[\\]/gs,
    (part, escapedCharacter: string | undefined) => {
      if (part === '**/') return '(?:.*/)?'
      if (part === '**') return '.*'
      if (part === '*') return '[^/]*'
      if (part === '?' || part === '+' || part.startsWith('[')) return part
      return literally(escapedCharacter ?? part)
    },
  )
  try {
    return new RegExp(`^(?:${source})$`, 's')
  } catch {
    return new RegExp(`^${literally(pattern)}$`)
  }
}

const literally = (text: string): string => text.replaceAll(/[.*+?^${}()|[\]\\/]/g, '\\$&')

import type { Trigger, Workflow } from './workflow.ts'

/** A push of one ref, as far as filters look at it. */
export type PushEvent = { readonly ref: string; readonly changedPaths: () => Promise<readonly string[]> }

/** Whether a push of this ref runs the workflow; when not, why not. */
export type Triggering = { readonly kind: 'run' } | { readonly kind: 'ignore'; readonly why: string }

export const triggeredByPush = async (workflow: Workflow, push: PushEvent): Promise<Triggering> => {
  const trigger = workflow.on.find(({ event }) => event === 'push')
  if (!trigger)
    return ignore(`${workflow.file} is not started by a push (on: ${workflow.on.map(({ event }) => event).join(', ')})`)
  if (!refMatches(trigger, push.ref)) return ignore(`${workflow.file} does not run for ${push.ref}`)
  const { paths, pathsIgnore } = trigger
  const isTag = push.ref.startsWith('refs/tags/') // path filters are not evaluated for tags
  if (isTag || (!paths && !pathsIgnore)) return run
  const changed = await push.changedPaths()
  const isWanted = paths
    ? changed.some((path) => matchesAny(paths, path))
    : changed.some((path) => !matchesAny(pathsIgnore ?? [], path))
  return isWanted ? run : ignore(`${workflow.file} does not run: no path that it filters for was changed`)
}

const run: Triggering = { kind: 'run' }
const ignore = (why: string): Triggering => ({ kind: 'ignore', why })

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

/** The last pattern that matches decides; one with `!` takes away again. */
const matchesAny = (patterns: readonly string[], name: string): boolean =>
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

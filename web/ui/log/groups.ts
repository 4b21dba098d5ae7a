import type { LogLine } from './lines.ts'

/** A fold: the line that begins it, and the one that ends it (the last line so far while it is open). */
export type Group = { readonly title: string; readonly until: number; readonly isEnded: boolean }

/** What begins and ends groups, by the number of the line that begins each. They do not lie within each other, as on GitHub. */
export const groupsOf = (lines: readonly LogLine[]): ReadonlyMap<number, Group> => {
  const groups = new Map<number, Group>()
  let open: { at: number; title: string } | null = null
  const close = (until: number, isEnded: boolean): void => {
    if (open) groups.set(open.at, { title: open.title, until, isEnded })
    open = null
  }
  for (let at = 0; at < lines.length; at += 1) {
    const text = lines[at]?.text ?? ''
    if (!text.startsWith('##[') && !text.startsWith('::')) continue
    const begun = /^(?:##\[group\]|::group::)(.*)$/.exec(text)
    if (begun) {
      close(at - 1, false)
      open = { at, title: begun[1] ?? '' }
    } else if (/^(?:##\[endgroup\]|::endgroup::)/.test(text)) close(at, true)
  }
  close(lines.length - 1, false)
  return groups
}

/** The numbers of the lines that are not folded away, without those that only end a group; null where all are shown. */
export const shownLines = (
  total: number,
  groups: ReadonlyMap<number, Group>,
  folded: ReadonlySet<number>,
): readonly number[] | null => {
  if (groups.size === 0) return null
  const shown: number[] = []
  const ends = new Set([...groups.values()].filter(({ isEnded }) => isEnded).map(({ until }) => until))
  for (let at = 0; at < total; at += 1) {
    if (!ends.has(at)) shown.push(at)
    const group = folded.has(at) ? groups.get(at) : undefined
    if (group) at = Math.max(at, group.until)
  }
  return shown
}

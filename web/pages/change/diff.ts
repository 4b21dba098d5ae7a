/** A line of a unified diff; numbers count from 1 in each version, null where the line is not there. */
export type DiffLine = {
  readonly kind: 'same' | 'added' | 'removed'
  readonly old: number | null
  readonly new: number | null
  readonly text: string
}
export type Hunk = { readonly head: string; readonly lines: readonly DiffLine[] }
export type FileDiff = {
  readonly path: string
  readonly previous: string | null
  readonly hunks: readonly Hunk[]
  readonly added: number
  readonly removed: number
}

/** Reads Git's unified diff. What is not understood (binary files, modes) leaves a file without hunks. */
export const filesIn = (text: string): readonly FileDiff[] =>
  text
    .split(/^(?=diff --git )/m)
    .filter((part) => part.startsWith('diff --git '))
    .map(fileIn)

const fileIn = (part: string): FileDiff => {
  const lines = part.split('\n')
  const first = lines.findIndex((line) => line.startsWith('@@'))
  const head = first < 0 ? lines : lines.slice(0, first)
  const named = (prefix: string): string | null => {
    const line = head.find((one) => one.startsWith(prefix))
    if (line === undefined) return null
    const name = unquoted(line.slice(prefix.length).replace(/\t$/, ''))
    return name === '/dev/null' ? null : name.replace(/^[ab]\//, '')
  }
  const before = named('rename from ') ?? named('--- ')
  const after =
    named('rename to ') ?? named('+++ ') ?? before ?? /^diff --git a\/.* b\/(.*)$/.exec(lines[0] ?? '')?.[1] ?? ''
  const hunks = first < 0 ? [] : hunksIn(lines.slice(first))
  const count = (kind: DiffLine['kind']): number =>
    hunks.reduce((all, hunk) => all + hunk.lines.filter((line) => line.kind === kind).length, 0)
  const previous = before !== null && before !== after ? before : null
  return { path: after, previous, hunks, added: count('added'), removed: count('removed') }
}

const hunksIn = (lines: readonly string[]): Hunk[] => {
  const hunks: { head: string; lines: DiffLine[] }[] = []
  let old = 0
  let fresh = 0
  for (const line of lines) {
    const [, from, to, rest = ''] = /^@@ -(\d+)(?:,\d+)? \+(\d+)(?:,\d+)? @@(.*)$/.exec(line) ?? []
    if (from !== undefined && to !== undefined) {
      old = Number(from)
      fresh = Number(to)
      hunks.push({ head: rest.trim(), lines: [] })
      continue
    }
    const into = hunks.at(-1)?.lines
    if (!into) continue
    const text = line.slice(1)
    if (line.startsWith('+')) into.push({ kind: 'added', old: null, new: fresh++, text })
    else if (line.startsWith('-')) into.push({ kind: 'removed', old: old++, new: null, text })
    else if (line.startsWith(' ')) into.push({ kind: 'same', old: old++, new: fresh++, text })
  }
  return hunks
}

/** Git quotes names with other characters than the plain ones, bytes as octal numbers. */
const unquoted = (name: string): string => {
  if (!name.startsWith('"') || !name.endsWith('"')) return name
  const bytes: number[] = []
  const inner = name.slice(1, -1)
  for (let at = 0; at < inner.length; at += 1) {
    if (inner[at] !== '\\') bytes.push(...new TextEncoder().encode(inner[at]))
    else if (/^[0-7]{3}/.test(inner.slice(at + 1))) {
      bytes.push(Number.parseInt(inner.slice(at + 1, at + 4), 8))
      at += 3
    } else {
      at += 1
      bytes.push(...new TextEncoder().encode({ n: '\n', t: '\t' }[inner[at] ?? ''] ?? inner[at] ?? ''))
    }
  }
  return new TextDecoder().decode(new Uint8Array(bytes))
}

/** The lines of a hunk as pairs, old beside new: what was removed stands beside what was added in its place. */
export const pairsOf = ({ lines }: Hunk): readonly { old: DiffLine | null; new: DiffLine | null }[] => {
  const pairs: { old: DiffLine | null; new: DiffLine | null }[] = []
  let removed: DiffLine[] = []
  let added: DiffLine[] = []
  const flush = (): void => {
    for (let at = 0; at < Math.max(removed.length, added.length); at += 1)
      pairs.push({ old: removed[at] ?? null, new: added[at] ?? null })
    removed = []
    added = []
  }
  for (const line of lines) {
    if (line.kind === 'removed') removed.push(line)
    else if (line.kind === 'added') added.push(line)
    else {
      flush()
      pairs.push({ old: line, new: line })
    }
  }
  flush()
  return pairs
}

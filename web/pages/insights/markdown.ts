/** A part of a digest, as it is shown. Not all of Markdown: what the digest is written in. */
export type Block =
  | { readonly kind: 'heading'; readonly level: number; readonly text: Text }
  | { readonly kind: 'paragraph'; readonly text: Text }
  | { readonly kind: 'list'; readonly items: readonly Text[] }
  | { readonly kind: 'table'; readonly head: readonly Text[]; readonly rows: readonly (readonly Text[])[] }
/** Words, some of them strong or code. */
export type Text = readonly { readonly text: string; readonly as: 'plain' | 'strong' | 'code' }[]

/** The blocks of a text; whatever is no heading, list or table is a paragraph. */
export const blocksOf = (markdown: string): readonly Block[] =>
  markdown
    .split(/\n{2,}/)
    .map((part) => part.trim())
    .filter((part) => part !== '')
    .map(blockOf)

const blockOf = (part: string): Block => {
  const [, marks, title] = /^(#{1,6}) (.*)$/.exec(part) ?? []
  if (marks !== undefined && title !== undefined) return { kind: 'heading', level: marks.length, text: textOf(title) }
  const lines = part.split('\n')
  const [head, rule, ...rows] = lines
  if (head !== undefined && rule !== undefined && /^[|: -]+$/.test(rule))
    return { kind: 'table', head: cellsOf(head), rows: rows.map(cellsOf) }
  if (lines.every((line) => line.startsWith('- ')))
    return { kind: 'list', items: lines.map((line) => textOf(line.slice(2))) }
  return { kind: 'paragraph', text: textOf(lines.join(' ')) }
}

const cellsOf = (row: string): readonly Text[] =>
  row
    .replace(/^\|/, '')
    .replace(/\|$/, '')
    .split(/(?<!\\)\|/)
    .map((cell) => textOf(cell.trim()))

/** What is escaped is what it is, never a mark. */
const textOf = (line: string): Text =>
  line.split(/((?<!\\)\*\*(?:\\.|[^\\*])+\*\*|(?<!\\)`[^`\\]+`)/).flatMap((piece, at): Text => {
    if (piece === '') return []
    if (at % 2 === 0) return [{ text: unescaped(piece), as: 'plain' }]
    return piece.startsWith('`')
      ? [{ text: piece.slice(1, -1), as: 'code' }]
      : [{ text: unescaped(piece.slice(2, -2)), as: 'strong' }]
  })

const unescaped = (text: string): string =>
  text.replace(/\\([\\`*_{}[\]<>()#+!|~.-])|&#(\d{1,3});/g, (_, mark?: string, code?: string) =>
    code === undefined ? (mark ?? '') : String.fromCharCode(Number(code)),
  )

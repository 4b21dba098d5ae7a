export type Block =
  | { readonly kind: 'heading'; readonly level: number; readonly text: string }
  | { readonly kind: 'paragraph' | 'code'; readonly text: string }
  | { readonly kind: 'list'; readonly items: readonly string[]; readonly isNumbered: boolean }
  | { readonly kind: 'table'; readonly rows: readonly (readonly string[])[] }

const bullet = /^\s*([-*+]|\d+[.)])\s+/
const heading = /^#{1,6}\s+/
const ruler = /^[\s|:-]+$/
const fence = /^\s*(```|~~~)/

const isRuler = (line: string): boolean => line.includes('-') && ruler.test(line)

/** The blocks of a text, one after the other. */
export const blocksOf = (text: string): readonly Block[] => {
  const lines = text.split(/\r?\n/)
  const blocks: Block[] = []
  let at = 0
  /** Takes the lines that are so, from where one stands. */
  const take = (isSo: (line: string) => boolean): string[] => {
    const from = at
    while (at < lines.length && isSo(lines[at] ?? '')) at += 1
    return lines.slice(from, at)
  }
  while (at < lines.length) {
    const line = lines[at] ?? ''
    if (line.trim() === '') at += 1
    else if (fence.test(line)) {
      at += 1
      blocks.push({ kind: 'code', text: take((one) => !fence.test(one)).join('\n') })
      at += 1
    } else if (heading.test(line)) {
      at += 1
      blocks.push({ kind: 'heading', level: line.indexOf(' '), text: line.replace(heading, '') })
    } else if (line.includes('|') && isRuler(lines[at + 1] ?? '')) {
      const rows = take((one) => one.includes('|'))
      blocks.push({ kind: 'table', rows: rows.filter((_, row) => row !== 1).map(cellsOf) })
    } else if (bullet.test(line)) {
      const items: string[] = []
      for (const one of take((next) => next.trim() !== '' && !fence.test(next))) {
        if (bullet.test(one)) items.push(one.replace(bullet, ''))
        else items.push(`${items.pop() ?? ''} ${one.trim()}`)
      }
      blocks.push({ kind: 'list', items, isNumbered: /^\s*\d/.test(line) })
    } else {
      const rest = take((one) => one.trim() !== '' && !fence.test(one) && !heading.test(one) && !bullet.test(one))
      blocks.push({ kind: 'paragraph', text: rest.join('\n') })
    }
  }
  return blocks
}

const cellsOf = (line: string): string[] =>
  line
    .trim()
    .replace(/^\||(?<!\\)\|$/g, '')
    .split(/(?<!\\)\|/)
    .map((cell) => cell.trim())

import type { ReactNode } from 'react'
import { Foreign } from './foreign.tsx'
import { type Block, blocksOf } from './markdown-blocks.ts'
import { Pre } from './parts.tsx'

/**
 * Markdown as jobs write it into their summaries: headings, paragraphs, lists, tables, code, emphasis, links to http addresses. Everything
 * else, HTML before all, stands there as the text that it is.
 */
export const Markdown = ({ text }: { text: string }) => (
  <div className="flex flex-col gap-3">
    {blocksOf(text).map((block, at) => (
      // biome-ignore lint/suspicious/noArrayIndexKey: blocks of one text have no other name
      <Shown key={at} block={block} />
    ))}
  </div>
)

const Shown = ({ block }: { block: Block }): ReactNode => {
  switch (block.kind) {
    case 'heading':
      return <h3 className="m-0 font-semibold">{inline(block.text)}</h3>
    case 'code':
      return <Pre className="bg-sunk text-xs">{block.text}</Pre>
    case 'list': {
      const List = block.isNumbered ? 'ol' : 'ul'
      return (
        <List className={`m-0 pl-5 ${block.isNumbered ? 'list-decimal' : 'list-disc'}`}>
          {block.items.map((item, at) => (
            // biome-ignore lint/suspicious/noArrayIndexKey: items may be the same
            <li key={at}>{inline(item)}</li>
          ))}
        </List>
      )
    }
    case 'table':
      return <Table rows={block.rows} />
    case 'paragraph':
      return <p className="m-0 whitespace-pre-line">{inline(block.text)}</p>
  }
}

const Table = ({ rows: [head = [], ...rows] }: { rows: readonly (readonly string[])[] }) => (
  // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable by the keyboard
  <div className="overflow-x-auto" tabIndex={0}>
    <table className="border-collapse text-left [&_td]:border [&_td]:px-3 [&_td]:py-1 [&_th]:border [&_th]:px-3 [&_th]:py-1">
      <thead>
        <tr>
          {head.map((cell, at) => (
            // biome-ignore lint/suspicious/noArrayIndexKey: cells may be the same
            <th key={at} className="font-medium">
              {inline(cell)}
            </th>
          ))}
        </tr>
      </thead>
      <tbody>
        {rows.map((row, at) => (
          // biome-ignore lint/suspicious/noArrayIndexKey: rows may be the same
          <tr key={at}>
            {row.map((cell, column) => (
              // biome-ignore lint/suspicious/noArrayIndexKey: cells may be the same
              <td key={column}>{inline(cell)}</td>
            ))}
          </tr>
        ))}
      </tbody>
    </table>
  </div>
)

/** Bounded, so that a megabyte of opening brackets costs no more than another megabyte. */
const mark =
  /`([^`]{1,400})`|\*\*([^*]{1,400})\*\*|\*([^*\s][^*]{0,400})\*|\[([^\]]{1,400})\]\((https?:\/\/[^\s)]{1,2000})\)/g

const inline = (text: string): ReactNode => {
  const pieces: ReactNode[] = []
  let from = 0
  for (const found of text.matchAll(mark)) {
    const [all, code, strong, soft, label, address] = found
    if (found.index > from) pieces.push(<Foreign key={from}>{text.slice(from, found.index)}</Foreign>)
    from = found.index + all.length
    const key = `mark ${from}`
    const said = <Foreign>{code ?? strong ?? soft ?? label}</Foreign>
    if (code !== undefined)
      pieces.push(
        <code key={key} className="rounded bg-sunk px-1 font-mono text-[0.8125rem]">
          {said}
        </code>,
      )
    else if (strong !== undefined) pieces.push(<strong key={key}>{said}</strong>)
    else if (soft !== undefined) pieces.push(<em key={key}>{said}</em>)
    else
      pieces.push(
        <a key={key} href={address} rel="noreferrer nofollow" target="_blank" className="text-accent">
          {said}
        </a>,
      )
  }
  if (from < text.length) pieces.push(<Foreign key={from}>{text.slice(from)}</Foreign>)
  return pieces
}

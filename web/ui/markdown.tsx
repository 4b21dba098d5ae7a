import type { ReactNode } from 'react'
import { t } from '../texts/en.ts'
import { Foreign } from './foreign.tsx'
import { type Block, blocksOf } from './markdown-blocks.ts'
import { type Words, wordsOf } from './markdown-words.ts'
import { Pre } from './parts.tsx'

/**
 * Markdown as jobs write it into their summaries, and Headway its digest: headings, paragraphs, lists, tables, code, emphasis, links to http addresses. Everything
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
      return <h3 className={`m-0 font-semibold ${block.level === 1 ? 'text-lg' : 'mt-1'}`}>{inline(block.text)}</h3>
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
              {cell === '' ? <span className="sr-only">{t.table.nameless}</span> : inline(cell)}
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

const inline = (text: string): ReactNode =>
  wordsOf(text).map((word, at) => {
    // biome-ignore lint/suspicious/noArrayIndexKey: words of one text have no other name
    return <Word key={at} {...word} />
  })

const Word = ({ text, as, address }: Words[number]): ReactNode => {
  const said = <Foreign>{text}</Foreign>
  switch (as) {
    case 'plain':
      return said
    case 'code':
      return <code className="rounded bg-sunk px-1 font-mono text-[0.8125rem]">{said}</code>
    case 'strong':
      return <strong>{said}</strong>
    case 'soft':
      return <em>{said}</em>
    case 'link':
      return (
        <a href={address} rel="noreferrer nofollow" target="_blank" className="text-accent">
          {said}
        </a>
      )
  }
}

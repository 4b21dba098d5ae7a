import { useMemo } from 'react'
import { useProject } from '../../shell/project.ts'
import { useMay } from '../../shell/role.ts'
import { t } from '../../texts/en.ts'
import { count } from '../../ui/format.ts'
import { visibleOf } from '../../ui/log/ansi.ts'
import { type Place, Said, type Talk } from './comments.tsx'
import { type DiffLine, type Hunk, pairsOf } from './diff.ts'
import { createReader, type Kind, languageOf, type Token } from './syntax.ts'

export type View = 'unified' | 'split'
type Read = ReadonlyMap<DiffLine, readonly Token[]>
type Props = { readonly hunk: Hunk; readonly read: Read; readonly talk: Talk }

/** A hunk with its comments, old and new text in one column or beside each other. */
export const HunkRows = ({ path, hunk, view, talk }: { path: string; hunk: Hunk; view: View; talk: Talk }) => {
  const read = useMemo(() => readHunk(path, hunk), [path, hunk])
  return (
    <tbody>
      <tr className="bg-sunk text-soft">
        <td colSpan={view === 'split' ? 4 : 3} className="px-4 py-1">
          … <bdi>{hunk.head}</bdi>
        </td>
      </tr>
      {view === 'split' ? (
        <Split hunk={hunk} read={read} talk={talk} />
      ) : (
        <Unified hunk={hunk} read={read} talk={talk} />
      )}
    </tbody>
  )
}

/** The old and the new text are each read from the top: a comment that goes over lines is in one and perhaps not in the other. */
const readHunk = (path: string, { lines }: Hunk): Read => {
  const language = languageOf(path)
  const readers = { old: createReader(language), new: createReader(language) }
  return new Map(
    lines.map((line) => {
      const before = line.old === null ? null : readers.old(line.text)
      const after = line.new === null ? null : readers.new(line.text)
      return [line, after ?? before ?? []]
    }),
  )
}

const Unified = ({ hunk, read, talk }: Props) =>
  hunk.lines.map((line) => [
    <tr key={`${line.old} ${line.new}`} className={`group ${fills[line.kind]}`}>
      <LineNumber number={line.old} side="old" talk={line.new === null ? talk : null} />
      <LineNumber number={line.new} side="new" talk={talk} />
      <Text line={line} read={read} />
    </tr>,
    <Talked key={`talk ${line.old} ${line.new}`} lines={[line]} talk={talk} columns={3} />,
  ])

const Split = ({ hunk, read, talk }: Props) =>
  pairsOf(hunk).map(({ old, new: fresh }) => [
    <tr key={`${old?.old} ${fresh?.new}`} className="group">
      <LineNumber number={old?.old ?? null} side="old" talk={old?.kind === 'removed' ? talk : null} />
      <Text line={old} read={read} isHalf />
      <LineNumber number={fresh?.new ?? null} side="new" talk={talk} />
      <Text line={fresh} read={read} isHalf />
    </tr>,
    <Talked
      key={`talk ${old?.old} ${fresh?.new}`}
      lines={[old, fresh].filter((line) => line !== null)}
      talk={talk}
      columns={4}
    />,
  ])

const isAt = (place: Place | null, lines: readonly DiffLine[]): boolean =>
  place !== null && lines.some((line) => place.line === line[place.side])

/** What is said about a line, and what is being written about it, beneath it. */
const Talked = ({ lines, talk, columns }: { lines: readonly DiffLine[]; talk: Talk; columns: number }) => {
  const comments = talk.comments.filter(({ place }) => isAt(place, lines))
  const isWriting = isAt(talk.writing, lines)
  if (comments.length === 0 && !isWriting) return null
  return (
    <tr>
      <td colSpan={columns} className="border-y border-line bg-page px-4 py-3 font-sans text-sm">
        <div className="sticky left-4 flex max-w-2xl flex-col gap-3">
          {comments.length > 0 && <Said comments={comments} />}
          {isWriting && talk.form}
        </div>
      </td>
    </tr>
  )
}

const LineNumber = ({ number, side, talk }: { number: number | null; side: 'old' | 'new'; talk: Talk | null }) => {
  const mayTalk = useMay('developer', useProject())
  return (
    <td className="w-12 min-w-12 select-none px-0 text-right align-top text-soft">
      {number !== null && talk !== null && mayTalk ? (
        <button
          type="button"
          aria-label={t.change.sayAt(number, side)}
          title={t.change.sayAt(number, side)}
          onClick={() => talk.begin({ line: number, side })}
          className="w-full px-2 text-right hover:bg-accent-wash hover:text-accent focus-visible:text-accent"
        >
          {number}
        </button>
      ) : (
        <span className="px-2">{number}</span>
      )}
    </td>
  )
}

const fills: Readonly<Record<DiffLine['kind'], string>> = { same: '', added: 'bg-added', removed: 'bg-removed' }
const signs: Readonly<Record<DiffLine['kind'], string>> = { same: ' ', added: '+', removed: '−' }
const colours: Readonly<Record<NonNullable<Kind>, string>> = {
  comment: 'text-soft italic',
  string: 'text-code-string',
  number: 'text-code-number',
  word: 'text-code-word',
}
const longestShown = 4_000

const Text = ({ line, read, isHalf = false }: { line: DiffLine | null; read: Read; isHalf?: boolean }) => {
  if (line === null) return <td className="w-1/2 bg-sunk px-2" />
  const cut = line.text.length - longestShown
  const tokens = cut > 0 ? [{ text: line.text.slice(0, longestShown), kind: null }] : (read.get(line) ?? [])
  return (
    <td
      className={`px-2 align-top whitespace-pre-wrap [overflow-wrap:anywhere] ${isHalf ? 'w-1/2' : 'w-full'} ${fills[line.kind]}`}
    >
      <span className="select-none text-soft">{signs[line.kind]} </span>
      <bdi dir="ltr">
        {tokens.map(({ text, kind }, at) => (
          // biome-ignore lint/suspicious/noArrayIndexKey: parts of one line have no other name
          <span key={at} className={kind === null ? undefined : colours[kind]}>
            {visibleOf(text).map((piece, place) =>
              piece.isControl ? (
                // biome-ignore lint/suspicious/noArrayIndexKey: parts of one line have no other name
                <span key={place} className="rounded-sm bg-wait-wash text-wait">
                  {piece.text}
                </span>
              ) : (
                piece.text
              ),
            )}
          </span>
        ))}
      </bdi>
      {cut > 0 && <span className="text-soft"> … +{count(cut)}</span>}
    </td>
  )
}

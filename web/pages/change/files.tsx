import { useQuery } from '@tanstack/react-query'
import { useMemo, useState } from 'react'
import { type Change, changeDiff } from '../../api/queries.ts'
import { t } from '../../texts/en.ts'
import { count } from '../../ui/format.ts'
import { piecesOf } from '../../ui/log/ansi.ts'
import { Button, Panel } from '../../ui/parts.tsx'
import { Loaded, Skeleton } from '../../ui/states.tsx'
import { type DiffLine, type FileDiff, filesIn, type Hunk, pairsOf } from './diff.ts'

export type View = 'unified' | 'split'
const largeLines = 400

/** What a change changes, file by file; the large ones are folded. */
export const Files = ({ project, change, view }: { project: string; change: Change; view: View }) => {
  const query = useQuery(changeDiff(project, change.repository, change.number))
  return (
    <Loaded query={query} waiting={<Skeleton rows={4} rowClass="h-24" />}>
      {({ files, text }) =>
        text === null ? (
          <Panel title={t.change.tooLarge} isFlush>
            <ul className="m-0 list-none p-0">
              {files.map(({ path, additions, deletions }) => (
                <li key={path} className="flex justify-between gap-4 border-t border-line px-4 py-2 font-mono text-xs">
                  <bdi>{path}</bdi>
                  <Counts added={additions ?? 0} removed={deletions ?? 0} />
                </li>
              ))}
            </ul>
          </Panel>
        ) : (
          <Diff text={text} view={view} change={change} />
        )
      }
    </Loaded>
  )
}

const Diff = ({ text, view, change }: { text: string; view: View; change: Change }) => {
  const files = useMemo(() => filesIn(text), [text])
  return (
    <div className="flex flex-col gap-4">
      {files.map((file) => (
        <File
          key={file.path}
          file={file}
          view={view}
          comments={change.comments.filter(({ place }) => place?.file === file.path)}
        />
      ))}
    </div>
  )
}

type Comments = Change['comments']

const File = ({ file, view, comments }: { file: FileDiff; view: View; comments: Comments }) => {
  const changed = file.added + file.removed
  const [isOpen, setIsOpen] = useState(changed <= largeLines)
  return (
    <section aria-label={file.path} className="overflow-hidden rounded-lg border border-line bg-panel">
      <h3 className="m-0 flex min-h-11 flex-wrap items-center justify-between gap-3 px-4 py-2 text-sm font-normal">
        <button
          type="button"
          aria-expanded={isOpen}
          onClick={() => setIsOpen(!isOpen)}
          className="flex min-w-0 items-baseline gap-2 text-left font-mono text-xs"
        >
          <span aria-hidden="true">{isOpen ? '▾' : '▸'}</span>
          <bdi>{file.path}</bdi>
          {file.previous && <span className="text-soft">{t.change.renamed(file.previous)}</span>}
        </button>
        <Counts added={file.added} removed={file.removed} />
      </h3>
      {!isOpen && (
        <div className="flex items-center gap-3 border-t border-line px-4 py-3 text-soft">
          {t.change.large(count(changed))}
          <Button onClick={() => setIsOpen(true)}>{t.change.show}</Button>
        </div>
      )}
      {isOpen && file.hunks.length === 0 && (
        <p className="m-0 border-t border-line px-4 py-3 text-soft">{t.change.binary}</p>
      )}
      {isOpen && file.hunks.length > 0 && (
        // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable by the keyboard
        <section tabIndex={0} aria-label={file.path} className="overflow-x-auto border-t border-line">
          <table className="w-full border-collapse font-mono text-xs leading-5">
            {file.hunks.map((hunk, at) => (
              // biome-ignore lint/suspicious/noArrayIndexKey: a hunk is known by its place
              <tbody key={at}>
                <tr className="bg-sunk text-soft">
                  <td colSpan={view === 'split' ? 4 : 3} className="px-4 py-1">
                    … {hunk.head}
                  </td>
                </tr>
                {view === 'split' ? <Split hunk={hunk} /> : <Unified hunk={hunk} comments={comments} />}
              </tbody>
            ))}
          </table>
        </section>
      )}
    </section>
  )
}

const Counts = ({ added, removed }: { added: number; removed: number }) => (
  <span className="flex gap-2 text-xs">
    <span className="text-good">+{added}</span>
    <span className="text-bad">−{removed}</span>
  </span>
)

const fills: Readonly<Record<DiffLine['kind'], string>> = { same: '', added: 'bg-added', removed: 'bg-removed' }
const signs: Readonly<Record<DiffLine['kind'], string>> = { same: ' ', added: '+', removed: '−' }

const LineNumber = ({ of }: { of: number | null }) => (
  <td className="w-12 min-w-12 select-none px-2 text-right align-top text-soft">{of}</td>
)

const Text = ({ line }: { line: DiffLine | null }) => (
  <td className={`w-1/2 px-2 align-top whitespace-pre-wrap ${line ? fills[line.kind] : 'bg-sunk'}`}>
    {line && (
      <>
        <span className="select-none text-soft">{signs[line.kind]} </span>
        <bdi dir="ltr">
          {piecesOf(line.text).pieces.map(({ text, tone }, at) => (
            // biome-ignore lint/suspicious/noArrayIndexKey: pieces of one line have no other name
            <span key={at} className={tone === 'control' ? 'bg-wait-wash text-wait' : ''}>
              {text}
            </span>
          ))}
        </bdi>
      </>
    )}
  </td>
)

const Unified = ({ hunk, comments }: { hunk: Hunk; comments: Comments }) =>
  hunk.lines.map((line) => {
    const said = comments.filter(({ place }) => place && place.line === (place.side === 'old' ? line.old : line.new))
    return [
      <tr key={`${line.old} ${line.new}`} className={fills[line.kind]}>
        <LineNumber of={line.old} />
        <LineNumber of={line.new} />
        <Text line={line} />
      </tr>,
      ...said.map(({ comment, user, body }) => (
        <tr key={comment}>
          <td colSpan={3} className="border-y border-line bg-page px-4 py-3 font-sans text-sm">
            <strong className="font-medium">{user}</strong>
            <bdi className="block whitespace-pre-wrap">{body}</bdi>
          </td>
        </tr>
      )),
    ]
  })

const Split = ({ hunk }: { hunk: Hunk }) =>
  pairsOf(hunk).map(({ old, new: fresh }) => (
    <tr key={`${old?.old} ${fresh?.new}`}>
      <LineNumber of={old?.old ?? null} />
      <Text line={old} />
      <LineNumber of={fresh?.new ?? null} />
      <Text line={fresh} />
    </tr>
  ))

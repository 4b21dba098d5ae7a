import { useQuery } from '@tanstack/react-query'
import { useMemo, useState } from 'react'
import { type Change, changeDiff } from '../../api/change-queries.ts'
import { t } from '../../texts/en.ts'
import { Foreign } from '../../ui/foreign.tsx'
import { count } from '../../ui/format.ts'
import { Button, Panel } from '../../ui/parts.tsx'
import { Loaded, Skeleton } from '../../ui/states.tsx'
import { type Place, Said, type Talk, Write } from './comments.tsx'
import { type FileDiff, filesIn } from './diff.ts'
import { HunkRows, type View } from './hunk.tsx'

export type { View } from './hunk.tsx'

const largeLines = 400

/** What a version of a change changes, file by file; the large ones are folded. `change.version` says which. */
export const Files = ({ project, change, view }: { project: string; change: Change; view: View }) => {
  const query = useQuery(changeDiff(project, change.repository, change.number, change.version))
  return (
    <Loaded query={query} waiting={<Skeleton rows={4} rowClass="h-24" />}>
      {({ files, text }) =>
        text === null ? (
          <Panel title={t.change.tooLarge} isFlush>
            <ul className="m-0 list-none p-0">
              {files.map(({ path, additions, deletions }) => (
                <li key={path} className="border-t border-line">
                  <Single
                    project={project}
                    change={change}
                    view={view}
                    path={path}
                    added={additions ?? 0}
                    removed={deletions ?? 0}
                  />
                </li>
              ))}
            </ul>
          </Panel>
        ) : (
          <Diff project={project} text={text} view={view} change={change} />
        )
      }
    </Loaded>
  )
}

/** One file of a change that is too large to come at once: it comes when somebody wants to see it. */
const Single = ({
  path,
  added,
  removed,
  ...rest
}: {
  project: string
  change: Change
  view: View
  path: string
  added: number
  removed: number
}) => {
  const [isOpen, setIsOpen] = useState(false)
  return isOpen ? (
    <SingleDiff path={path} {...rest} />
  ) : (
    <div className="flex min-h-11 items-center justify-between gap-4 px-4 py-2 font-mono text-xs">
      <button
        type="button"
        aria-expanded={false}
        onClick={() => setIsOpen(true)}
        className="flex min-w-0 gap-2 text-left"
      >
        <span aria-hidden="true">▸</span>
        <Foreign>{path}</Foreign>
      </button>
      <Counts added={added} removed={removed} />
    </div>
  )
}

const SingleDiff = ({ path, project, change, view }: { project: string; change: Change; view: View; path: string }) => {
  const query = useQuery(changeDiff(project, change.repository, change.number, change.version, path))
  return (
    <Loaded query={query} waiting={<Skeleton rows={2} rowClass="h-11" />}>
      {({ text }) =>
        text === null ? (
          <p className="m-0 px-4 py-3 text-soft">
            <Foreign className="font-mono text-xs">{path}</Foreign> {t.change.binary}
          </p>
        ) : (
          <Diff project={project} text={text} view={view} change={change} />
        )
      }
    </Loaded>
  )
}

const Diff = ({ project, text, view, change }: { project: string; text: string; view: View; change: Change }) => {
  const files = useMemo(() => filesIn(text), [text])
  return (
    <div className="flex flex-col gap-4">
      {files.map((file) => (
        <File key={file.path} project={project} file={file} view={view} change={change} />
      ))}
    </div>
  )
}

const File = ({ project, file, view, change }: { project: string; file: FileDiff; view: View; change: Change }) => {
  const changed = file.added + file.removed
  const [isOpen, setIsOpen] = useState(changed <= largeLines)
  const [writing, setWriting] = useState<Place | null>(null)
  const about = change.comments.filter(({ place }) => place?.file === file.path)
  const earlier = about.filter(({ version }) => version < change.version)
  const talk: Talk = {
    comments: about.filter(({ version }) => version === change.version),
    writing,
    begin: setWriting,
    form: writing && (
      <Write project={project} change={change} file={file.path} place={writing} close={() => setWriting(null)} />
    ),
  }
  return (
    <section aria-label={file.path} className="overflow-hidden rounded-lg border border-line bg-panel">
      <h2 className="m-0 flex min-h-11 flex-wrap items-center justify-between gap-3 px-4 py-2 text-sm font-normal">
        <button
          type="button"
          aria-expanded={isOpen}
          onClick={() => setIsOpen(!isOpen)}
          className="flex min-w-0 items-baseline gap-2 text-left font-mono text-xs"
        >
          <span aria-hidden="true">{isOpen ? '▾' : '▸'}</span>
          <Foreign>{file.path}</Foreign>
          {file.previous && <span className="text-soft">{t.change.renamed(file.previous)}</span>}
        </button>
        <Counts added={file.added} removed={file.removed} />
      </h2>
      {!isOpen && changed > largeLines && (
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
        <section tabIndex={0} aria-label={t.change.lines(file.path)} className="overflow-x-auto border-t border-line">
          <table className="w-full border-collapse font-mono text-xs leading-6">
            {file.hunks.map((hunk, at) => (
              // biome-ignore lint/suspicious/noArrayIndexKey: a hunk is known by its place
              <HunkRows key={at} path={file.path} hunk={hunk} view={view} talk={talk} />
            ))}
          </table>
        </section>
      )}
      {isOpen && earlier.length > 0 && (
        <div className="border-t border-line px-4 py-3">
          <h3 className="m-0 mb-2 text-xs font-normal text-soft">{t.change.earlier}</h3>
          <Said comments={earlier} />
        </div>
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

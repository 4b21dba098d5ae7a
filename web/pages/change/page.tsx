import { useQuery, useQueryClient } from '@tanstack/react-query'
import { Link, useNavigate, useParams, useSearch } from '@tanstack/react-router'
import { type FormEvent, useState } from 'react'
import { type Change, change } from '../../api/change-queries.ts'
import { answer, api } from '../../api/client.ts'
import { useMay } from '../../shell/role.ts'
import { t } from '../../texts/en.ts'
import { Foreign } from '../../ui/foreign.tsx'
import { short } from '../../ui/format.ts'
import { Badge, Button, inputShape, PageHead, Panel, Time } from '../../ui/parts.tsx'
import { changedSearch } from '../../ui/search.ts'
import { Failed, Loaded, Skeleton } from '../../ui/states.tsx'
import { Choice, Tabs } from '../../ui/tabs.tsx'
import { changeTone } from '../changes/page.tsx'
import { Actions } from './actions.tsx'
import { Erase } from './erase.tsx'
import { Files, type View } from './files.tsx'
import { Standing } from './standing.tsx'

const tabs = ['conversation', 'files'] as const
const views: readonly View[] = ['unified', 'split']
const one = api.changes.projects[':project'].repositories[':repository'].changes[':number']

export const ChangePage = () => {
  const { project, repository, number } = useParams({ from: '/shell/projects/$project/changes/$repository/$number' })
  const query = useQuery(change(project, repository, Number(number)))
  return (
    <Loaded query={query} waiting={<Skeleton rows={5} rowClass="h-20" />}>
      {(known) => <Page project={project} known={known} />}
    </Loaded>
  )
}

const Page = ({ project, known }: { project: string; known: Change }) => {
  const search = useSearch({ from: '/shell/projects/$project/changes/$repository/$number' })
  const navigate = useNavigate({ from: '/projects/$project/changes/$repository/$number' })
  const tab = tabs.find((name) => name === search.tab) ?? 'conversation'
  const view = views.find((name) => name === search.view) ?? 'unified'
  const version = versionsOf(known).find((one) => one === search.version) ?? known.version
  return (
    <>
      <PageHead
        above={
          <Link to="/projects/$project/changes" params={{ project }} className="text-soft">
            {t.changes.title}
          </Link>
        }
        title={
          <>
            <Foreign>{known.title ?? t.changes.erased}</Foreign>{' '}
            <span className="font-normal text-soft">
              {known.repository} #{known.number}
            </span>
          </>
        }
        detail={
          <>
            <Badge tone={changeTone(known.status)}>{t.changes.status[known.status]}</Badge>
            <Foreign>{known.author}</Foreign>
            <Foreign>{t.change.into(known.branch, known.target)}</Foreign>
            <code className="font-mono">{short(known.head)}</code>
            <Time at={known.updatedAt} />
          </>
        }
        actions={<Actions project={project} known={known} />}
      />
      <div className="relative">
        <Tabs
          label={t.changes.title}
          tabs={tabs}
          chosen={tab}
          names={{ conversation: t.change.conversation, files: t.change.files }}
        />
        {tab === 'files' && (
          <div className="mb-4 flex flex-wrap justify-end gap-2">
            {known.version > 1 && (
              <Choice
                label={t.change.ofVersion}
                value={String(version)}
                options={versionsOf(known).map((one) => ({ value: String(one), name: t.change.version(one) }))}
                choose={(chosen) =>
                  void navigate({
                    search: (before) =>
                      changedSearch(before, { version: Number(chosen) === known.version ? undefined : Number(chosen) }),
                    replace: true,
                  })
                }
              />
            )}
            <Choice
              label={t.change.view}
              value={view}
              options={views.map((value) => ({ value, name: t.change[value] }))}
              choose={(value) =>
                void navigate({
                  search: (before) => changedSearch(before, { view: value === 'unified' ? undefined : value }),
                  replace: true,
                })
              }
            />
          </div>
        )}
      </div>
      {tab === 'files' ? (
        <Files project={project} change={{ ...known, version }} view={view} />
      ) : (
        <div className="grid items-start gap-4 lg:grid-cols-[minmax(0,1fr)_20rem]">
          <Conversation project={project} known={known} />
          <Standing project={project} known={known} />
        </div>
      )}
    </>
  )
}

/** The newest first. */
const versionsOf = ({ version }: Change): readonly number[] => Array.from({ length: version }, (_, at) => version - at)

type Props = { project: string; known: Change }
const named = ({ project, known }: Props) => ({
  param: { project, repository: known.repository, number: String(known.number) },
})

const Conversation = ({ project, known }: Props) => {
  const mayTalk = useMay('developer', project)
  const queries = useQueryClient()
  const [text, setText] = useState('')
  const [error, setError] = useState<unknown>(null)
  const say = async (event: FormEvent): Promise<void> => {
    event.preventDefault()
    setError(null)
    try {
      await answer(one.comments.$post({ ...named({ project, known }), json: { body: text } }))
      setText('')
      await queries.invalidateQueries({ queryKey: ['changes'] })
    } catch (caught) {
      setError(caught)
    }
  }
  return (
    <div className="flex min-w-0 flex-col gap-4">
      {known.body && (
        <Panel>
          <Foreign className="block whitespace-pre-wrap">{known.body}</Foreign>
        </Panel>
      )}
      <Panel title={t.change.comments}>
        {known.comments.length === 0 && <p className="m-0 mb-4 text-soft">{t.change.noComments}</p>}
        <ul className="m-0 mb-4 flex list-none flex-col gap-4 p-0">
          {known.comments.map((said) => {
            const { comment, user, at, body, place, version } = said
            return (
              <li key={comment}>
                <span className="flex flex-wrap gap-x-3 text-soft">
                  <strong className="font-medium text-ink">
                    <Foreign>{user}</Foreign>
                  </strong>
                  <Time at={at} />
                  <span>{t.change.version(version)}</span>
                  {place && (
                    <code className="font-mono text-xs">
                      <Foreign>{t.change.place(place.file, place.line)}</Foreign>
                    </code>
                  )}
                  <Erase {...{ project, change: known }} comment={said} />
                </span>
                <Foreign className="block whitespace-pre-wrap">{body}</Foreign>
              </li>
            )
          })}
        </ul>
        {mayTalk && (
          <form onSubmit={(event) => void say(event)} className="flex flex-col items-end gap-2">
            <textarea
              aria-label={t.change.write}
              placeholder={t.change.write}
              rows={3}
              required
              value={text}
              onChange={(event) => setText(event.target.value)}
              className={`${inputShape} w-full py-2`}
            />
            <Button type="submit">{t.change.comment}</Button>
          </form>
        )}
        {error !== null && <Failed error={error} />}
      </Panel>
    </div>
  )
}

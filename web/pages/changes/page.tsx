import { useQuery } from '@tanstack/react-query'
import { Link, useNavigate, useParams, useSearch } from '@tanstack/react-router'
import { useState } from 'react'
import { closedChanges, openChanges } from '../../api/change-queries.ts'
import { useMay } from '../../shell/role.ts'
import { t } from '../../texts/en.ts'
import { Foreign } from '../../ui/foreign.tsx'
import { Badge, Button, Command, inputShape, PageHead, Panel, Time, type Tone } from '../../ui/parts.tsx'
import { changedSearch } from '../../ui/search.ts'
import { Empty, Loaded, Skeleton } from '../../ui/states.tsx'
import { Cell, TableBox } from '../../ui/table.tsx'
import { Tabs } from '../../ui/tabs.tsx'
import { RunBadge } from '../runs/page.tsx'
import { Propose } from './propose.tsx'
import { QueueTab } from './queue.tsx'

export const changeTone = (status: 'open' | 'merged' | 'abandoned'): Tone =>
  status === 'open' ? 'busy' : status === 'merged' ? 'good' : 'calm'

const tabs = ['open', 'queue', 'closed'] as const

/** What is proposed, what waits to be merged, and what was. */
export const ChangesPage = () => {
  const { project } = useParams({ from: '/shell/projects/$project/changes' })
  const { filter = '', tab } = useSearch({ from: '/shell/projects/$project/changes' })
  const navigate = useNavigate({ from: '/projects/$project/changes' })
  const mayPropose = useMay('developer', project)
  const [isProposing, setIsProposing] = useState(false)
  const chosen = tabs.find((one) => one === tab) ?? 'open'
  return (
    <>
      <PageHead
        title={t.changes.title}
        actions={
          <>
            {chosen !== 'queue' && (
              <input
                type="search"
                aria-label={t.changes.filter}
                placeholder={t.changes.filter}
                value={filter}
                onChange={(event) =>
                  void navigate({
                    search: (before) => changedSearch(before, { filter: event.target.value || undefined }),
                    replace: true,
                  })
                }
                className={`${inputShape} w-56`}
              />
            )}
            {mayPropose && (
              <Button kind="primary" onClick={() => setIsProposing(true)}>
                {t.changes.propose.action}
              </Button>
            )}
          </>
        }
      />
      <Tabs label={t.changes.title} tabs={tabs} chosen={chosen} names={t.changes.tabs} />
      {chosen === 'queue' ? (
        <QueueTab project={project} />
      ) : (
        <List key={chosen} project={project} filter={filter} isOpen={chosen === 'open'} />
      )}
      {isProposing && <Propose project={project} close={() => setIsProposing(false)} />}
    </>
  )
}

const List = ({ project, filter, isOpen }: { project: string; filter: string; isOpen: boolean }) => {
  const query = useQuery(isOpen ? openChanges(project) : closedChanges(project))
  const { columns } = t.changes
  return (
    <Panel isFlush>
      <Loaded query={query} waiting={<Skeleton rows={6} />}>
        {(all) => {
          const shown = all
            .filter(({ repository, number, title, author, branch }) =>
              `${repository} #${number} ${title} ${author} ${branch}`.toLowerCase().includes(filter.toLowerCase()),
            )
            .toSorted((one, other) => other.updatedAt - one.updatedAt)
          if (shown.length === 0) return <None isOpen={isOpen} isFiltered={all.length > 0} />
          return (
            <TableBox label={t.changes.title}>
              <thead>
                <tr>
                  <th>{columns.change}</th>
                  <th>{columns.state}</th>
                  <th>{columns.checks}</th>
                  <th>{columns.author}</th>
                  <th className="text-right!">{columns.updated}</th>
                </tr>
              </thead>
              <tbody>
                {shown.map((one) => (
                  <tr key={`${one.repository} ${one.number}`}>
                    <Cell fold="title" className="w-full min-w-56">
                      <Link
                        to="/projects/$project/changes/$repository/$number"
                        params={{ project, repository: one.repository, number: String(one.number) }}
                        className="font-medium text-ink no-underline hover:text-accent"
                      >
                        <Foreign>{one.title ?? t.changes.erased}</Foreign>
                      </Link>
                      <span className="block text-xs text-soft">
                        {one.repository} #{one.number} · <Foreign>{t.change.into(one.branch, one.target)}</Foreign>
                      </span>
                    </Cell>
                    <Cell fold="aside">
                      <Badge tone={changeTone(one.status)}>
                        {one.isQueued ? t.changes.queued : t.changes.status[one.status]}
                      </Badge>
                    </Cell>
                    <Cell label={columns.checks}>
                      {one.conclusion !== null && <RunBadge run={{ status: 'finished', conclusion: one.conclusion }} />}
                    </Cell>
                    <Cell label={columns.author}>
                      <Foreign>{one.author}</Foreign>
                    </Cell>
                    <Cell className="text-right text-soft">
                      <Time at={one.updatedAt} />
                    </Cell>
                  </tr>
                ))}
              </tbody>
            </TableBox>
          )
        }}
      </Loaded>
    </Panel>
  )
}

const None = ({ isOpen, isFiltered }: { isOpen: boolean; isFiltered: boolean }) =>
  isFiltered ? (
    <Empty>{t.changes.noMatch}</Empty>
  ) : isOpen ? (
    <div className="flex flex-col gap-2 p-4">
      <p className="m-0 text-soft">{t.changes.none}</p>
      <Command text={t.changes.command} />
    </div>
  ) : (
    <Empty>{t.changes.noneClosed}</Empty>
  )

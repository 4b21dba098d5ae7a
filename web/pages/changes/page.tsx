import { useQuery } from '@tanstack/react-query'
import { Link, useNavigate, useParams, useSearch } from '@tanstack/react-router'
import { changes } from '../../api/queries.ts'
import { t } from '../../texts/en.ts'
import { Badge, inputShape, PageHead, Panel, Time, type Tone } from '../../ui/parts.tsx'
import { changedSearch } from '../../ui/search.ts'
import { Empty, Loaded, Skeleton } from '../../ui/states.tsx'
import { Choice, TableBox } from '../../ui/tabs.tsx'
import { RunBadge } from '../runs/page.tsx'

export const changeTone = (status: 'open' | 'merged' | 'abandoned'): Tone =>
  status === 'open' ? 'busy' : status === 'merged' ? 'good' : 'calm'

const states = ['open', 'closed'] as const

export const ChangesPage = () => {
  const { project } = useParams({ from: '/shell/projects/$project/changes' })
  const { filter = '', state } = useSearch({ from: '/shell/projects/$project/changes' })
  const navigate = useNavigate({ from: '/projects/$project/changes' })
  const query = useQuery(changes(project))
  const chosen = states.find((one) => one === state) ?? 'open'
  const { columns } = t.changes
  return (
    <>
      <PageHead
        title={t.changes.title}
        actions={
          <>
            <Choice
              label={columns.state}
              value={chosen}
              options={states.map((value) => ({ value, name: t.changes.tabs[value] }))}
              choose={(value) =>
                void navigate({
                  search: (before) => changedSearch(before, { state: value === 'open' ? undefined : value }),
                  replace: true,
                })
              }
            />
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
          </>
        }
      />
      <Panel isFlush>
        <Loaded query={query} waiting={<Skeleton rows={6} />}>
          {(all) => {
            const shown = all
              .filter(({ status }) => (status === 'open') === (chosen === 'open'))
              .filter((one) =>
                `${one.repository} #${one.number} ${one.title} ${one.author}`
                  .toLowerCase()
                  .includes(filter.toLowerCase()),
              )
              .toSorted((one, other) => other.updatedAt - one.updatedAt)
            if (shown.length === 0) return <Empty>{t.changes.none}</Empty>
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
                      <td className="w-full min-w-56">
                        <Link
                          to="/projects/$project/changes/$repository/$number"
                          params={{ project, repository: one.repository, number: String(one.number) }}
                          className="font-medium text-ink no-underline hover:text-accent"
                        >
                          <bdi>{one.title ?? t.changes.erased}</bdi>
                        </Link>
                        <span className="block text-xs text-soft">
                          {one.repository} #{one.number} · <bdi>{t.change.into(one.branch, one.target)}</bdi>
                        </span>
                      </td>
                      <td>
                        <Badge tone={changeTone(one.status)}>
                          {one.isQueued ? t.changes.queued : t.changes.status[one.status]}
                        </Badge>
                      </td>
                      <td>
                        {one.conclusion !== null && (
                          <RunBadge run={{ status: 'finished', conclusion: one.conclusion }} />
                        )}
                      </td>
                      <td>
                        <bdi>{one.author}</bdi>
                      </td>
                      <td className="text-right text-soft">
                        <Time at={one.updatedAt} />
                      </td>
                    </tr>
                  ))}
                </tbody>
              </TableBox>
            )
          }}
        </Loaded>
      </Panel>
    </>
  )
}

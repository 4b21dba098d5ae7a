import { useQuery } from '@tanstack/react-query'
import { Link, useNavigate, useParams, useSearch } from '@tanstack/react-router'
import { type Run, runs } from '../../api/queries.ts'
import { t } from '../../texts/en.ts'
import { Foreign } from '../../ui/foreign.tsx'
import { branchOf, personOf, short, span } from '../../ui/format.ts'
import { Badge, inputShape, PageHead, Panel, Time, type Tone, useNow } from '../../ui/parts.tsx'
import { Empty, Loaded, Skeleton } from '../../ui/states.tsx'
import { TableBox } from '../../ui/tabs.tsx'

type Summary = Pick<Run, 'status' | 'conclusion'>

export const runTone = ({ status, conclusion }: Summary): Tone =>
  status === 'running'
    ? 'busy'
    : status === 'queued'
      ? 'wait'
      : conclusion === 'success'
        ? 'good'
        : conclusion === 'failure'
          ? 'bad'
          : 'calm'

export const RunBadge = ({ run }: { run: Summary }) => (
  <Badge tone={runTone(run)}>
    {run.status === 'finished' && run.conclusion ? t.runs.conclusion[run.conclusion] : t.runs.status[run.status]}
  </Badge>
)

export const RunsPage = () => {
  const { project } = useParams({ from: '/shell/projects/$project/runs' })
  const { filter = '' } = useSearch({ from: '/shell/projects/$project/runs' })
  const navigate = useNavigate({ from: '/projects/$project/runs' })
  const query = useQuery(runs(project))
  const now = useNow(1_000)
  const { columns } = t.runs
  return (
    <>
      <PageHead
        title={t.runs.title}
        actions={
          <input
            type="search"
            aria-label={t.runs.filter}
            placeholder={t.runs.filter}
            value={filter}
            onChange={(event) =>
              void navigate({ search: event.target.value ? { filter: event.target.value } : {}, replace: true })
            }
            className={`${inputShape} w-56`}
          />
        }
      />
      <Panel isFlush>
        <Loaded query={query} waiting={<Skeleton rows={8} />}>
          {(all) => {
            const words = filter.toLowerCase().split(/\s+/)
            const shown = all.filter((one) => {
              const text = `${one.repository} ${one.ref} ${one.title} ${one.commit} ${one.name} ${one.conclusion ?? one.status}`
              return words.every((word) => text.toLowerCase().includes(word))
            })
            if (shown.length === 0) return <Empty>{t.runs.none}</Empty>
            return (
              <TableBox label={t.runs.title}>
                <thead>
                  <tr>
                    <th>{columns.run}</th>
                    <th>
                      <span className="sr-only">{t.table.state}</span>
                    </th>
                    <th>{columns.ref}</th>
                    <th>{columns.who}</th>
                    <th className="text-right!">{columns.took}</th>
                    <th className="text-right!">{columns.when}</th>
                  </tr>
                </thead>
                <tbody>
                  {shown.map((one) => (
                    <tr key={one.run}>
                      <td className="w-full min-w-56">
                        <Link
                          to="/projects/$project/runs/$run"
                          params={{ project, run: one.run }}
                          className="line-clamp-1 font-medium text-ink no-underline hover:text-accent"
                        >
                          <Foreign>{one.title}</Foreign>
                        </Link>
                        <span className="text-xs text-soft">
                          {one.repository} · <Foreign>{one.name}</Foreign> {one.number}
                          {one.attempt > 1 && ` · ${t.run.attempt(one.attempt)}`}
                        </span>
                      </td>
                      <td>
                        <RunBadge run={one} />
                      </td>
                      <td className="whitespace-nowrap">
                        <Foreign className="block max-w-40 truncate">{branchOf(one.ref)}</Foreign>
                        <code className="font-mono text-xs text-soft">{short(one.commit)}</code>
                      </td>
                      <td>
                        <Foreign>{personOf(one.actor)}</Foreign>
                      </td>
                      <td className="text-right whitespace-nowrap">
                        {span(one.durationMs ?? (one.startedAt === null ? null : now - one.startedAt))}
                      </td>
                      <td className="text-right text-soft">
                        <Time at={one.queuedAt} />
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

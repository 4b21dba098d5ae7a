import { useQuery } from '@tanstack/react-query'
import { Link, useNavigate, useParams, useSearch } from '@tanstack/react-router'
import { lazy, type ReactNode, Suspense, useState } from 'react'
import { type Run, type RunState, runs } from '../../api/run-queries.ts'
import { useMay } from '../../shell/role.ts'
import { t } from '../../texts/en.ts'
import { FilterBox } from '../../ui/filter.tsx'
import { Foreign } from '../../ui/foreign.tsx'
import { branchOf, personOf, short, span } from '../../ui/format.ts'
import { Pager } from '../../ui/pager.tsx'
import { Badge, Button, PageHead, Panel, Time, type Tone, useNow } from '../../ui/parts.tsx'
import { changedSearch } from '../../ui/search.ts'
import { Empty, Loaded, Skeleton } from '../../ui/states.tsx'
import { Cell, TableBox } from '../../ui/table.tsx'
import { Choice, Tabs } from '../../ui/tabs.tsx'

const Dispatch = lazy(async () => ({ default: (await import('./dispatch.tsx')).Dispatch }))
const TestsTab = lazy(async () => ({ default: (await import('./tests.tsx')).TestsTab }))

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

const tabs = ['runs', 'tests'] as const

/** What was built and tested: the runs, and how the tests of a repository stand. */
export const RunsPage = () => {
  const { project } = useParams({ from: '/shell/projects/$project/runs' })
  const { tab } = useSearch({ from: '/shell/projects/$project/runs' })
  const chosen = tabs.find((one) => one === tab) ?? 'runs'
  const bar = <Tabs label={t.runs.title} tabs={tabs} chosen={chosen} names={t.runs.tabs} />
  return chosen === 'runs' ? (
    <Runs project={project} bar={bar} />
  ) : (
    <>
      <PageHead title={t.runs.title} />
      {bar}
      <Suspense fallback={<Skeleton rows={8} />}>
        <TestsTab project={project} />
      </Suspense>
    </>
  )
}

const Runs = ({ project, bar }: { project: string; bar: ReactNode }) => {
  const { filter = '', state, before, after } = useSearch({ from: '/shell/projects/$project/runs' })
  const navigate = useNavigate({ from: '/projects/$project/runs' })
  const asked = stateOf(state)
  const query = useQuery(
    runs(project, {
      ...(filter && { search: filter }),
      ...(asked && { state: asked }),
      ...(before && { before }),
      ...(after && { after }),
    }),
  )
  /** Another choice begins at its newest. */
  const choose = (chosen: { filter?: string | undefined; state?: string | undefined }): void =>
    void navigate({
      search: (all) => changedSearch(all, { ...chosen, before: undefined, after: undefined }),
      replace: true,
    })
  const now = useNow(1_000)
  const mayStart = useMay('developer', project)
  const [isStarting, setIsStarting] = useState(false)
  const [isStarted, setIsStarted] = useState(false)
  const { columns } = t.runs
  return (
    <>
      <PageHead
        title={t.runs.title}
        actions={
          <>
            <Choice
              label={t.table.state}
              value={asked ?? ''}
              options={[{ value: '', name: t.runs.anyState }, ...states]}
              choose={(chosen) => choose({ state: chosen || undefined })}
            />
            <FilterBox
              label={t.runs.filter}
              value={filter}
              change={(words) => choose({ filter: words || undefined })}
            />
            {mayStart && <Button onClick={() => setIsStarting(true)}>{t.runs.start}</Button>}
          </>
        }
      />
      {bar}
      <p role="status" className="mt-0 mb-4 text-good empty:hidden">
        {isStarted && t.runs.started}
      </p>
      {isStarting && (
        <Suspense>
          <Dispatch project={project} close={() => setIsStarting(false)} done={() => setIsStarted(true)} />
        </Suspense>
      )}
      <Panel isFlush>
        <Loaded query={query} waiting={<Skeleton rows={8} />}>
          {({ runs: shown, newer, older }) =>
            shown.length === 0 ? (
              <Empty>{filter || asked || before || after ? t.runs.noneFound : t.runs.none}</Empty>
            ) : (
              <>
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
                        <Cell fold="title" className="w-full min-w-56">
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
                        </Cell>
                        <Cell fold="aside">
                          <RunBadge run={one} />
                        </Cell>
                        <Cell className="whitespace-nowrap">
                          <Foreign className="block max-w-40 truncate">{branchOf(one.ref)}</Foreign>{' '}
                          <code className="font-mono text-xs text-soft">{short(one.commit)}</code>
                        </Cell>
                        <Cell label={columns.who}>
                          <Foreign>{personOf(one.actor)}</Foreign>
                        </Cell>
                        <Cell label={columns.took} className="text-right whitespace-nowrap">
                          {span(one.durationMs ?? (one.startedAt === null ? null : now - one.startedAt))}
                        </Cell>
                        <Cell className="text-right text-soft">
                          <Time at={one.queuedAt} />
                        </Cell>
                      </tr>
                    ))}
                  </tbody>
                </TableBox>
                <Pager
                  label={t.runs.pages}
                  back={{ name: t.runs.newer, after: newer }}
                  on={{ name: t.runs.older, before: older }}
                />
              </>
            )
          }
        </Loaded>
      </Panel>
    </>
  )
}

const runStates: readonly RunState[] = ['queued', 'running', 'success', 'failure', 'cancelled', 'skipped']
const states = runStates.map((value) => ({ value, name: t.runs.states[value] }))
const stateOf = (text: string | undefined): RunState | undefined => runStates.find((one) => one === text)

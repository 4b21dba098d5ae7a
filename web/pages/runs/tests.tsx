import { useQuery } from '@tanstack/react-query'
import { Link, useNavigate, useSearch } from '@tanstack/react-router'
import { useState } from 'react'
import { repositories } from '../../api/queries.ts'
import { type RepositoryTests, repositoryTests, type TestFilter } from '../../api/run-queries.ts'
import { t } from '../../texts/en.ts'
import { FilterBox } from '../../ui/filter.tsx'
import { Foreign } from '../../ui/foreign.tsx'
import { branchOf, short, span } from '../../ui/format.ts'
import { Badge, Panel, Time } from '../../ui/parts.tsx'
import { changedSearch } from '../../ui/search.ts'
import { Empty, Loaded, Skeleton } from '../../ui/states.tsx'
import { Cell, TableBox } from '../../ui/table.tsx'
import { Choice } from '../../ui/tabs.tsx'
import { type Case, History, toneOf } from '../run/tests.tsx'

const filters: readonly TestFilter[] = ['all', 'failed', 'newly-failing', 'fixed', 'flaky', 'slowest']
const reportsShown = 5

/** The test cases of a repository as they were last reported: what fails, what is flaky, what is slow; each with its history. */
export const TestsTab = ({ project }: { project: string }) => {
  const { data: known } = useQuery(repositories(project))
  const { repository, filter = '', cases } = useSearch({ from: '/shell/projects/$project/runs' })
  // What was pushed to last comes first.
  const names = (known ?? [])
    .toSorted((one, other) => (other.pushedAt ?? 0) - (one.pushedAt ?? 0))
    .map((one) => one.repository)
  const chosen = names.find((name) => name === repository) ?? names[0]
  if (known === undefined) return <Skeleton rows={8} />
  if (chosen === undefined) return <Empty>{t.tests.none}</Empty>
  return (
    <Tests
      project={project}
      repository={chosen}
      repositories={names}
      state={filters.find((name) => name === cases) ?? 'all'}
      search={filter}
    />
  )
}

const Tests = ({
  project,
  repository,
  repositories: names,
  state,
  search,
}: {
  project: string
  repository: string
  repositories: readonly string[]
  state: TestFilter
  search: string
}) => {
  const query = useQuery(repositoryTests(project, repository, state, search))
  const navigate = useNavigate({ from: '/projects/$project/runs' })
  const [asked, setAsked] = useState<Case | null>(null)
  const choose = (change: { repository?: string; filter?: string | undefined; cases?: string | undefined }): void =>
    void navigate({ search: (before) => changedSearch(before, change), replace: true })
  return (
    <>
      <div className="mb-4 flex flex-wrap gap-2">
        <Choice
          label={t.tests.repository}
          value={repository}
          options={names.map((value) => ({ value, name: value }))}
          choose={(name) => choose({ repository: name })}
        />
        <Choice
          label={t.tests.which}
          value={state}
          options={filters.map((value) => ({ value, name: t.tests.filters[value] }))}
          choose={(value) => choose({ cases: value === 'all' ? undefined : value })}
        />
        <FilterBox label={t.tests.search} value={search} change={(words) => choose({ filter: words || undefined })} />
      </div>
      <Loaded query={query} waiting={<Skeleton rows={8} />}>
        {({ cases, matching, trend }) => (
          <div className="flex flex-col gap-4">
            <Panel
              title={t.tests.cases}
              aside={matching > cases.length && t.run.firstCases(cases.length, matching)}
              isFlush
            >
              {cases.length === 0 ? <Empty>{t.tests.noCases}</Empty> : <Cases cases={cases} ask={setAsked} />}
            </Panel>
            {trend.length > 0 && <Reports project={project} trend={trend.slice(0, reportsShown)} />}
          </div>
        )}
      </Loaded>
      {asked && <History project={project} repository={repository} one={asked} close={() => setAsked(null)} />}
    </>
  )
}

const Cases = ({ cases, ask }: { cases: readonly Case[]; ask: (one: Case) => void }) => (
  <TableBox label={t.tests.cases}>
    <thead>
      <tr>
        <th>{t.tests.columns.test}</th>
        <th>{t.table.state}</th>
        <th>{t.tests.columns.where}</th>
        <th className="text-right!">{t.runs.columns.took}</th>
      </tr>
    </thead>
    <tbody>
      {cases.map((one) => (
        <tr key={`${one.jobName} ${one.case}`}>
          <Cell fold="title" className="w-full min-w-56">
            <button type="button" onClick={() => ask(one)} className="text-left font-medium hover:text-accent">
              <Foreign className="[overflow-wrap:anywhere]">{one.name}</Foreign>
            </button>
            {one.suite !== '' && <Foreign className="block text-xs text-soft">{one.suite}</Foreign>}
          </Cell>
          <Cell fold="aside">
            <Badge tone={toneOf(one)}>
              {t.run.caseState[one.state]}
              {one.isFlaky && `, ${t.run.flaky}`}
            </Badge>
          </Cell>
          <Cell className="max-w-64 min-w-48">
            <Foreign className="font-mono text-xs [overflow-wrap:anywhere]">
              {one.file === null ? '–' : `${one.file}${one.line === null ? '' : `:${one.line}`}`}
            </Foreign>
          </Cell>
          <Cell className="text-right whitespace-nowrap">{span(one.durationMs)}</Cell>
        </tr>
      ))}
    </tbody>
  </TableBox>
)

const Reports = ({ project, trend }: { project: string; trend: RepositoryTests['trend'] }) => (
  <Panel title={t.tests.reports} isFlush>
    <TableBox label={t.tests.reports}>
      <thead>
        <tr>
          <th>{t.runs.columns.run}</th>
          <th>{t.runs.columns.ref}</th>
          <th>{t.tests.columns.counted}</th>
          <th className="text-right!">{t.runs.columns.took}</th>
          <th className="text-right!">{t.runs.columns.when}</th>
        </tr>
      </thead>
      <tbody>
        {trend.map(({ run, job, jobName, ref, commit, at, totals }) => (
          <tr key={`${run} ${job}`}>
            <Cell fold="title" className="w-full min-w-40">
              <Link to="/projects/$project/runs/$run" params={{ project, run }} className="text-ink">
                <Foreign>{jobName}</Foreign>
              </Link>
            </Cell>
            <Cell className="whitespace-nowrap">
              <Foreign>{branchOf(ref)}</Foreign> <code className="font-mono text-xs text-soft">{short(commit)}</code>
            </Cell>
            <Cell className="whitespace-nowrap">{t.run.counted(totals.passed, totals.failed, totals.skipped)}</Cell>
            <Cell className="text-right whitespace-nowrap">{span(totals.durationMs)}</Cell>
            <Cell className="text-right text-soft">
              <Time at={at} />
            </Cell>
          </tr>
        ))}
      </tbody>
    </TableBox>
  </Panel>
)

import { useQuery, useQueryClient } from '@tanstack/react-query'
import { Link, useNavigate, useParams, useSearch } from '@tanstack/react-router'
import { lazy, Suspense, useState } from 'react'
import { answer, api, base } from '../../api/client.ts'
import { artifacts, jobSummary, type Run, run } from '../../api/run-queries.ts'
import { useMay } from '../../shell/role.ts'
import { t } from '../../texts/en.ts'
import { useAct } from '../../ui/act.ts'
import { Confirm } from '../../ui/dialog.tsx'
import { Foreign } from '../../ui/foreign.tsx'
import { branchOf, bytes, personOf, short, span } from '../../ui/format.ts'
import { LogView } from '../../ui/log/log-view.tsx'
import { Button, inputShape, PageHead, Panel, Time, useNow } from '../../ui/parts.tsx'
import { changedSearch } from '../../ui/search.ts'
import { Empty, Loaded, Refused, Skeleton } from '../../ui/states.tsx'
import { JobsWaiting } from '../approvals/jobs.tsx'
import { RunBadge } from '../runs/page.tsx'
import { useLog } from '../service/log.tsx'
import { Failure } from './failure.tsx'
import { JobList } from './job-list.tsx'
import { Tests } from './tests.tsx'

const Markdown = lazy(async () => ({ default: (await import('../../ui/markdown.tsx')).Markdown }))
const Revert = lazy(async () => ({ default: (await import('../change/revert.tsx')).Revert }))
const Graph = lazy(async () => ({ default: (await import('./graph.tsx')).Graph }))

/** A run: its jobs as a graph and a list, the log of one, what it left behind. */
export const RunPage = () => {
  const { project, run: name } = useParams({ from: '/shell/projects/$project/runs/$run' })
  const { attempt } = useSearch({ from: '/shell/projects/$project/runs/$run' })
  const query = useQuery(run(project, name, attempt))
  return (
    <Loaded query={query} waiting={<Skeleton rows={5} rowClass="h-24" />}>
      {(one) => <Page project={project} one={one} />}
    </Loaded>
  )
}

const Page = ({ project, one }: { project: string; one: Run }) => {
  const search = useSearch({ from: '/shell/projects/$project/runs/$run' })
  const now = useNow(1_000)
  const chosen =
    one.jobs.find(({ job }) => job === search.job) ??
    one.jobs.find(({ conclusion }) => conclusion === 'failure') ??
    one.jobs.find(({ status }) => status === 'running') ??
    one.jobs[0]
  const annotations = one.jobs.flatMap((job) => job.annotations.map((annotation) => ({ ...annotation, job: job.name })))
  return (
    <>
      <PageHead
        above={
          <Link to="/projects/$project/runs" params={{ project }} className="text-soft">
            {t.runs.title}
          </Link>
        }
        title={<Foreign>{one.title}</Foreign>}
        detail={
          <>
            <RunBadge run={one} />
            <span>
              {one.repository} · <Foreign>{one.name}</Foreign> {one.number}
            </span>
            <span>
              <Foreign>{branchOf(one.ref)}</Foreign> <code className="font-mono">{short(one.commit)}</code>
            </span>
            <Foreign>{personOf(one.actor)}</Foreign>
            <Time at={one.queuedAt} />
            <span>{span(one.durationMs ?? (one.startedAt === null ? null : now - one.startedAt))}</span>
            {one.attempt > 1 && <Attempts run={one} />}
          </>
        }
        actions={<Actions project={project} run={one} />}
      />
      {one.failure && <Failure failure={one.failure} />}
      <JobsWaiting project={project} run={one} />
      {one.jobs.length > 1 && (
        <Panel title={t.run.graph} className="mb-4" isFlush>
          <Suspense fallback={<div className="h-64" />}>
            <Graph jobs={one.jobs} chosen={chosen?.job ?? null} />
          </Suspense>
        </Panel>
      )}
      <div className="grid items-start gap-4 lg:grid-cols-[18rem_minmax(0,1fr)]">
        <div className="flex min-w-0 flex-col gap-4">
          <Panel title={t.run.jobs} isFlush>
            <JobList jobs={one.jobs} chosen={chosen?.job ?? null} now={now} />
          </Panel>
          <Tests project={project} repository={one.repository} run={one.run} />
          <Artifacts project={project} name={one.run} />
        </div>
        {chosen ? (
          <div className="flex min-w-0 flex-col gap-4">
            <JobLog key={`${chosen.job} ${chosen.attempt}`} project={project} run={one} job={chosen} />
            {chosen.status === 'finished' && chosen.conclusion !== 'skipped' && (
              <Summary project={project} run={one.run} job={chosen} />
            )}
          </div>
        ) : (
          <Panel>
            <Empty>{t.run.noLog}</Empty>
          </Panel>
        )}
      </div>
      {annotations.length > 0 && (
        <Panel title={t.run.annotations} className="mt-4" isFlush>
          <ul className="m-0 list-none p-0">
            {annotations.map(({ level, message, file, line, job }, at) => (
              // biome-ignore lint/suspicious/noArrayIndexKey: the same may be said twice of the same place
              <li key={at} className="border-t border-line px-4 py-2.5">
                <span className={level === 'failure' ? 'text-bad' : level === 'warning' ? 'text-wait' : 'text-soft'}>
                  {file ? `${file}${line === null ? '' : `:${line}`}` : job}
                </span>{' '}
                <Foreign>{message}</Foreign>
              </li>
            ))}
          </ul>
        </Panel>
      )}
    </>
  )
}

const Attempts = ({ run: { attempt } }: { run: Run }) => (
  <span className="flex gap-2">
    {Array.from({ length: attempt }, (_, at) => at + 1).map((one) => (
      <Link key={one} to="." search={{ attempt: one }} className="text-accent">
        {t.run.attempt(one)}
      </Link>
    ))}
  </span>
)

const Actions = ({ project, run: one }: { project: string; run: Run }) => {
  const mayAct = useMay('developer', project)
  const queries = useQueryClient()
  const [isAsked, setIsAsked] = useState(false)
  const [isReverting, setIsReverting] = useState(false)
  const { isWorking, refusal, act } = useAct()
  if (!mayAct) return null
  const param = { project, run: one.run }
  const changed = () => queries.invalidateQueries({ queryKey: ['runs'] })
  const rerun = (jobs: 'all' | 'failed') =>
    act(async () => {
      await answer(api.build.projects[':project'].runs[':run'].rerun.$post({ param, query: { jobs } }))
      await changed()
    })
  return one.status === 'finished' ? (
    <>
      <Refused refusal={refusal} />
      {(one.conclusion === 'failure' || one.conclusion === 'cancelled') && (
        <Button disabled={isWorking} onClick={() => void rerun('failed')}>
          {t.run.rerunFailed}
        </Button>
      )}
      <Button disabled={isWorking} onClick={() => void rerun('all')}>
        {t.run.rerun}
      </Button>
      {takesReverts(one) && (
        <Button disabled={isWorking} onClick={() => setIsReverting(true)}>
          {t.run.revert}
        </Button>
      )}
      {isReverting && (
        <Suspense>
          <Revert
            {...{ project, repository: one.repository, target: branchOf(one.ref) }}
            what={{ commit: one.commit }}
            title={t.run.revertTitle(short(one.commit))}
            detail={t.run.revertDetail}
            close={() => setIsReverting(false)}
          />
        </Suspense>
      )}
    </>
  ) : (
    <>
      <Button kind="danger" onClick={() => setIsAsked(true)}>
        {t.run.cancel}
      </Button>
      {isAsked && (
        <Confirm
          title={t.run.cancelTitle}
          detail={t.run.cancelDetail}
          action={t.run.cancel}
          isDangerous
          close={() => setIsAsked(false)}
          act={async () => {
            await answer(api.build.projects[':project'].runs[':run'].cancel.$post({ param }))
            await changed()
          }}
        />
      )}
    </>
  )
}

/** A commit is taken back from the branch that is deployed; others are pushed anew. */
const takesReverts = ({ ref }: Run): boolean => ref === 'refs/heads/main' || ref === 'refs/heads/master'

const JobLog = ({ project, run: one, job }: { project: string; run: Run; job: Run['jobs'][number] }) => {
  const { line, search = '' } = useSearch({ from: '/shell/projects/$project/runs/$run' })
  const navigate = useNavigate({ from: '/projects/$project/runs/$run' })
  const [typed, setTyped] = useState(search)
  const [isOver] = useState(job.status === 'finished') // decided once: a log that is followed ends by itself
  const path = `${base}/projects/${project}/runs/${one.run}/jobs/${job.job}/log?attempt=${job.attempt}`
  const isThere = job.status !== 'waiting' && job.conclusion !== 'skipped'
  return (
    <Panel
      isFlush
      title={<Foreign>{job.name}</Foreign>}
      aside={
        <>
          <form
            onSubmit={(event) => {
              event.preventDefault()
              void navigate({
                search: (before) => changedSearch(before, { search: typed || undefined, line: undefined }),
                replace: true,
                resetScroll: false, // neither of the page nor of the log, which goes to what is found
              })
            }}
          >
            <input
              type="search"
              aria-label={t.run.search}
              placeholder={t.run.search}
              value={typed}
              onChange={(event) => setTyped(event.target.value)}
              className={`${inputShape} w-48`}
            />
          </form>
          {isThere && (
            <a href={`${path}&as=text`} download className="text-accent">
              {t.run.raw}
            </a>
          )}
        </>
      }
    >
      <div className="flex h-[max(24rem,calc(100dvh-16rem))] flex-col">
        {isThere ? (
          <Log
            url={isOver ? path : `${path}&follow=true`}
            label={`${t.run.log}: ${job.name}`}
            search={search}
            line={line ?? null}
            isFollowed={!isOver}
            pickLine={(picked) =>
              void navigate({
                search: (before) => changedSearch(before, { job: job.job, line: picked }),
                replace: true,
                resetScroll: false,
              })
            }
          />
        ) : (
          <Empty>{t.run.noLog}</Empty>
        )}
      </div>
    </Panel>
  )
}

const Log = ({ url, ...rest }: { url: string } & Omit<Parameters<typeof LogView>[0], 'log' | 'empty'>) => {
  const log = useLog(url)
  return <LogView {...rest} log={log} empty={t.run.noLog} />
}

const Summary = ({ project, run: name, job }: { project: string; run: string; job: Run['jobs'][number] }) => {
  const { data } = useQuery(jobSummary(project, name, job.job, job.attempt))
  return data ? (
    <Panel title={t.run.summary}>
      <Suspense>
        <Markdown text={data} />
      </Suspense>
    </Panel>
  ) : null
}

const Artifacts = ({ project, name }: { project: string; name: string }) => {
  const { data } = useQuery(artifacts(project, name))
  const mayRemove = useMay('developer', project)
  const queries = useQueryClient()
  const [removed, setRemoved] = useState<{ readonly artifact: number; readonly name: string } | null>(null)
  if (!data || data.artifacts.length === 0) return null
  return (
    <Panel title={t.run.artifacts} isFlush>
      <ul className="m-0 list-none p-0">
        {data.artifacts.map(({ artifact, name: file, sizeBytes }) => (
          <li key={artifact} className="flex items-center gap-3 border-t border-line px-4 py-2.5">
            <a
              href={`${base}/projects/${project}/artifacts/${artifact}/content`}
              className="min-w-0 flex-1 text-accent [overflow-wrap:anywhere]"
            >
              <Foreign>{file}</Foreign>
            </a>
            <span className="whitespace-nowrap text-soft">{bytes(sizeBytes)}</span>
            {mayRemove && (
              <Button
                kind="quiet"
                className="-my-1.5"
                onClick={() => setRemoved({ artifact, name: file })}
                aria-label={`${t.run.removeArtifact} ${file}`}
              >
                {t.run.removeArtifact}
              </Button>
            )}
          </li>
        ))}
      </ul>
      {removed && (
        <Confirm
          title={t.run.removeArtifactTitle(removed.name)}
          detail={t.run.removeArtifactDetail}
          action={t.run.removeArtifact}
          isDangerous
          close={() => setRemoved(null)}
          act={async () => {
            const param = { project, artifact: String(removed.artifact) }
            await answer(api.results.projects[':project'].artifacts[':artifact'].$delete({ param }))
            await queries.invalidateQueries({ queryKey: ['runs'] })
          }}
        />
      )}
    </Panel>
  )
}

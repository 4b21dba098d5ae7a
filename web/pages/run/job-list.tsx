import { Link } from '@tanstack/react-router'
import type { Run } from '../../api/run-queries.ts'
import { t } from '../../texts/en.ts'
import { Foreign } from '../../ui/foreign.tsx'
import { span } from '../../ui/format.ts'
import { Dot, type Tone } from '../../ui/parts.tsx'
import { changedSearch } from '../../ui/search.ts'

type Job = Run['jobs'][number]

export const jobTone = ({ status, conclusion }: Pick<Job, 'status' | 'conclusion'>): Tone =>
  status === 'running'
    ? 'busy'
    : status === 'waiting'
      ? 'calm'
      : conclusion === 'success'
        ? 'good'
        : conclusion === 'failure'
          ? 'bad'
          : 'calm'

export const jobState = ({ status, conclusion }: Pick<Job, 'status' | 'conclusion'>): string =>
  status === 'finished' && conclusion ? t.runs.conclusion[conclusion] : t.runs.status[status]

/** The jobs with their steps; each leads to its log. */
export const JobList = ({ jobs, chosen, now }: { jobs: readonly Job[]; chosen: string | null; now: number }) => (
  <ul className="m-0 list-none p-0">
    {jobs.map((job) => (
      <li key={job.job} className="border-t border-line">
        <Link
          to="."
          search={(before) => changedSearch(before, { job: job.job, line: undefined, search: undefined })}
          resetScroll={false}
          aria-current={job.job === chosen ? 'true' : undefined}
          className={`flex items-baseline gap-2 px-4 py-2.5 text-ink no-underline hover:bg-sunk ${job.job === chosen ? 'bg-accent-wash' : ''}`}
        >
          <Dot tone={jobTone(job)} />
          <Foreign className="min-w-0 flex-1 font-medium">{job.name}</Foreign>
          <span className="text-xs whitespace-nowrap text-soft">
            {job.startedAt === null ? jobState(job) : span((job.finishedAt ?? now) - job.startedAt)}
          </span>
          <span className="sr-only">{jobState(job)}</span>
        </Link>
        {job.job === chosen && job.steps.length > 0 && (
          <ol aria-label={t.run.steps} className="m-0 list-none p-0 pb-2">
            {job.steps.map(({ name, conclusion, durationMs }, at) => (
              // biome-ignore lint/suspicious/noArrayIndexKey: steps may have the same name
              <li key={at} className="flex items-baseline gap-2 py-1 pr-4 pl-8 text-xs text-soft">
                <Dot tone={conclusion === 'success' ? 'good' : conclusion === 'failure' ? 'bad' : 'calm'} />
                <Foreign className="min-w-0 flex-1">{name}</Foreign>
                <span className="whitespace-nowrap">{span(durationMs)}</span>
                <span className="sr-only">{t.runs.conclusion[conclusion]}</span>
              </li>
            ))}
          </ol>
        )}
      </li>
    ))}
  </ul>
)

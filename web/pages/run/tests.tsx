import { useQuery } from '@tanstack/react-query'
import { Link } from '@tanstack/react-router'
import { useState } from 'react'
import { type RunTests, runTests, testHistory } from '../../api/run-queries.ts'
import { t } from '../../texts/en.ts'
import { Dialog } from '../../ui/dialog.tsx'
import { Foreign } from '../../ui/foreign.tsx'
import { branchOf, short, span } from '../../ui/format.ts'
import { Badge, Button, Dot, Panel, Time, type Tone } from '../../ui/parts.tsx'
import { Loaded } from '../../ui/states.tsx'

export type Case = RunTests['cases'][number]

export const toneOf = ({ outcome, isFlaky }: Pick<Case, 'outcome' | 'isFlaky'>): Tone =>
  isFlaky ? 'wait' : outcome === 'failed' ? 'bad' : outcome === 'passed' ? 'good' : 'calm'
const needsAttention = ({ state, isFlaky }: Case): boolean =>
  state === 'failing' || state === 'newly-failing' || state === 'fixed' || isFlaky

/** What the tests of a run have shown: first what needs attention; each case leads to how it went before. */
export const Tests = ({ project, repository, run }: { project: string; repository: string; run: string }) => {
  const { data } = useQuery(runTests(project, run))
  const [asked, setAsked] = useState<Case | null>(null)
  if (!data || data.reports.length === 0) return null
  const attention = data.cases.filter(needsAttention)
  const others = data.cases.filter((one) => !needsAttention(one))
  const isAll = data.matching <= data.cases.length
  return (
    <Panel title={t.run.tests} isFlush>
      <ul className="m-0 list-none p-0">
        {data.reports.map(({ job, jobName, totals }) => (
          <li key={job} className="border-t border-line px-4 py-2.5">
            <Foreign className="font-medium">{jobName}</Foreign>
            <span className="block text-soft">{t.run.counted(totals.passed, totals.failed, totals.skipped)}</span>
          </li>
        ))}
      </ul>
      <Cases cases={attention} ask={setAsked} />
      {others.length > 0 && (
        <details>
          <summary className="border-t border-line px-4 py-2.5 text-accent">
            {isAll ? t.run.allCases(data.matching) : t.run.firstCases(data.cases.length, data.matching)}
          </summary>
          <Cases cases={others} ask={setAsked} />
        </details>
      )}
      {asked && <History project={project} repository={repository} one={asked} close={() => setAsked(null)} />}
    </Panel>
  )
}

const Cases = ({ cases, ask }: { cases: readonly Case[]; ask: (one: Case) => void }) => (
  <ul className="m-0 list-none p-0">
    {cases.map((one) => (
      <li key={`${one.jobName} ${one.case}`} className="border-t border-line">
        <button
          type="button"
          onClick={() => ask(one)}
          className="flex w-full items-baseline gap-2 px-4 py-2.5 text-left hover:bg-sunk"
        >
          <Dot tone={toneOf(one)} />
          <span className="min-w-0 flex-1">
            <Foreign className="[overflow-wrap:anywhere]">{one.name}</Foreign>
            <span className="block text-xs text-soft">
              {[
                t.run.caseState[one.state],
                one.isNewlyFlaky ? t.run.newlyFlaky : one.isFlaky ? t.run.flaky : null,
                one.durationMs === null ? null : span(one.durationMs),
              ]
                .filter((word) => word !== null)
                .join(' · ')}
            </span>
          </span>
        </button>
      </li>
    ))}
  </ul>
)

type HistoryProps = { project: string; repository: string; one: Case; close: () => void }

/** How a case went before, the newest first. */
export const History = ({ project, repository, one, close }: HistoryProps) => {
  const query = useQuery(testHistory(project, repository, one.case))
  const place = one.file === null ? one.suite : `${one.file}${one.line === null ? '' : `:${one.line}`}`
  return (
    <Dialog title={t.run.history} close={close} className="w-[min(44rem,calc(100vw-2rem))]">
      <div className="flex flex-col gap-3 px-5 pt-2 pb-5">
        <p className="m-0">
          <Foreign className="font-medium">{one.name}</Foreign>
          {place && <Foreign className="block text-soft">{place}</Foreign>}
        </p>
        <Loaded query={query}>
          {({ flakyCommits, history }) => (
            <>
              <p className="m-0 text-soft">{t.run.flakyCommits(flakyCommits)}</p>
              <ol className="m-0 max-h-[50vh] list-none overflow-y-auto p-0" aria-label={t.run.history}>
                {history.map(({ run, ref, commit, at, outcome, isFlaky, durationMs, message }) => (
                  <li key={`${run} ${at}`} className="border-t border-line py-2.5">
                    <span className="flex flex-wrap items-center gap-x-3 gap-y-1">
                      <Badge tone={toneOf({ outcome, isFlaky })}>{t.run.outcome[outcome]}</Badge>
                      {isFlaky && <span className="text-wait">{t.run.flaky}</span>}
                      <Link
                        to="/projects/$project/runs/$run"
                        params={{ project, run }}
                        onClick={close}
                        className="text-accent"
                      >
                        <Foreign>{branchOf(ref)}</Foreign> <code className="font-mono text-xs">{short(commit)}</code>
                      </Link>
                      <span className="text-soft">{span(durationMs)}</span>
                      <span className="ml-auto text-soft">
                        <Time at={at} />
                      </span>
                    </span>
                    {message && <Foreign className="mt-1 block text-xs text-soft">{message}</Foreign>}
                  </li>
                ))}
              </ol>
            </>
          )}
        </Loaded>
        <div className="flex justify-end">
          <Button onClick={close}>{t.shell.close}</Button>
        </div>
      </div>
    </Dialog>
  )
}

import { useQuery } from '@tanstack/react-query'
import { type Asked, type Bucket, type Flow, flow } from '../../api/learn-queries.ts'
import { t } from '../../texts/en.ts'
import { count, percent, span } from '../../ui/format.ts'
import { Panel } from '../../ui/parts.tsx'
import { Empty, Loaded, Skeleton } from '../../ui/states.tsx'
import { ExportBar } from './export.tsx'

/** Where the time of changes goes, stage by stage, and which of them is worth mending first. */
export const FlowTab = ({ asked, bucket }: { asked: Asked; bucket: Bucket }) => {
  const query = useQuery(flow(asked, bucket))
  return (
    <Loaded query={query} waiting={<Skeleton rows={4} rowClass="h-24" />}>
      {(answer) => (
        <div className="flex flex-col gap-4">
          <ExportBar what="flow" asked={asked} bucket={bucket} answer={answer} span={answer.span} zone={answer.zone} />
          {answer.now.changes === 0 ? (
            <Panel>
              <Empty>{t.insights.flow.none}</Empty>
            </Panel>
          ) : (
            <Shown answer={answer} />
          )}
        </div>
      )}
    </Loaded>
  )
}

const Shown = ({ answer: { now, bottleneck, batch, progress, rhythm } }: { answer: Flow }) => {
  const texts = t.insights.flow
  const longest = Math.max(1, ...now.stages.map(({ sumMs }) => sumMs))
  const { automatic, rollbacks } = rhythm
  const tiles = [
    [texts.total, span(now.total.median), t.insights.n(count(now.changes))],
    [texts.efficiency, percent(now.efficiency), texts.activeOf(span(now.activeMs), span(now.activeMs + now.waitingMs))],
    [texts.batch, texts.commits(decimal(batch.commits.median)), texts.lines(decimal(batch.lines.median))],
    [texts.progress, count(progress.open), texts.age(span(progress.ages.median))],
    [texts.automatic, percent(automatic.value), t.insights.of(count(automatic.automatic), count(automatic.known))],
    [texts.rollbacks, texts.byMachine(rollbacks.machine), texts.byHand(rollbacks.hand)],
  ] as const
  return (
    <div className="flex flex-col gap-4">
      <Panel title={texts.stages}>
        <p className="m-0 mb-4">
          {bottleneck === null
            ? texts.noBottleneck
            : texts.bottleneck(texts.stage[bottleneck.stage], span(bottleneck.perWeekMs), percent(bottleneck.share))}
        </p>
        <ol className="m-0 flex list-none flex-col gap-3 p-0">
          {now.stages.map(({ stage, isWaiting, median, p90, n, sumMs }) => (
            <li key={stage} className="grid items-center gap-x-4 gap-y-1 sm:grid-cols-[12rem_minmax(0,1fr)_15rem]">
              <span className={stage === bottleneck?.stage ? 'font-semibold' : ''}>
                {texts.stage[stage]} <span className="text-xs text-soft">{isWaiting ? texts.waiting : ''}</span>
              </span>
              <span className="h-4 rounded-sm bg-sunk">
                <span
                  className={`block h-full min-w-0.5 rounded-sm ${isWaiting ? 'bg-wait' : 'bg-accent'}`}
                  style={{ width: `${(100 * sumMs) / longest}%` }}
                />
              </span>
              <span className="text-soft sm:text-right">
                {n === 0 ? t.insights.noData : `${span(median)} · p90 ${span(p90)} · ${t.insights.n(count(n))}`}
              </span>
            </li>
          ))}
        </ol>
      </Panel>
      <ul className="m-0 grid list-none gap-4 p-0 [grid-template-columns:repeat(auto-fit,minmax(min(14rem,100%),1fr))]">
        {tiles.map(([name, value, detail]) => (
          <li key={name} className="rounded-lg border border-line bg-panel p-4">
            <h2 className="m-0 text-xs font-normal text-soft">{name}</h2>
            <p className="m-0 text-xl leading-7 font-semibold tracking-tight">{value}</p>
            <p className="m-0 text-soft">{detail}</p>
          </li>
        ))}
      </ul>
    </div>
  )
}

const decimal = (value: number | null): string =>
  value === null ? '–' : new Intl.NumberFormat('en', { maximumFractionDigits: 1 }).format(value)

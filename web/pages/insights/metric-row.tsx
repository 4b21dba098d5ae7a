import { Link } from '@tanstack/react-router'
import { t } from '../../texts/en.ts'
import type { Tone } from '../../ui/parts.tsx'
import { changedSearch } from '../../ui/search.ts'
import { Bars } from './bars.tsx'
import type { Metric, Remark } from './figures.ts'

type LevelName = keyof typeof t.insights.level
const levelTones: Readonly<Record<LevelName, Tone>> = { elite: 'good', high: 'good', medium: 'wait', low: 'bad' }
const washes: Readonly<Record<Tone, string>> = {
  good: 'bg-good-wash text-good',
  wait: 'bg-wait-wash text-wait',
  bad: 'bg-bad-wash text-bad',
  busy: 'bg-accent-wash text-accent',
  calm: 'bg-sunk text-soft',
}

/** One of the five: what it means, what it is, how that compares, and how it went. */
export const MetricRow = ({
  metric,
  names,
  starts,
  chosen,
}: {
  metric: Metric
  names: readonly string[]
  starts: readonly number[]
  chosen: number | undefined
}) => {
  const { name, figure, remarks, level, score, bars } = metric
  const { name: title, means } = t.insights.metric[name]
  return (
    <li className="grid gap-x-6 gap-y-3 border-t border-line px-4 py-4 first:border-t-0 md:grid-cols-[minmax(0,1fr)_minmax(0,1fr)] xl:grid-cols-[15rem_17rem_minmax(0,1fr)]">
      <div className="min-w-0">
        <h3 className="m-0 text-sm font-semibold">{title}</h3>
        <p className="m-0 mt-0.5 text-xs text-soft">{means}</p>
      </div>
      <div className="min-w-0">
        <p className="m-0 flex flex-wrap items-center gap-x-3 gap-y-1">
          <span className={`text-xl leading-7 font-semibold tracking-tight ${figure === null ? 'text-soft' : ''}`}>
            {figure ?? t.insights.noData}
          </span>
          {level && (
            <span
              title={level.source}
              className={`rounded-full px-2 py-0.5 text-xs whitespace-nowrap ${washes[levelTones[level.level]]}`}
            >
              <span className="font-medium">{t.insights.level[level.level]}</span> {t.insights.levelOf(level.year)}
            </span>
          )}
        </p>
        <ul className="m-0 mt-1 flex list-none flex-col p-0 text-xs text-soft">
          {remarks.map((remark) => (
            <li key={remark.text}>
              <RemarkText remark={remark} />
            </li>
          ))}
          {score !== null && <li title={t.insights.scoreHelp}>{t.insights.score(String(score))}</li>}
        </ul>
      </div>
      <div className="min-w-0 md:col-span-2 xl:col-span-1">
        <Bars metric={title} bars={bars} names={names} starts={starts} chosen={chosen} />
      </div>
    </li>
  )
}

const RemarkText = ({ remark: { text, behind } }: { remark: Remark }) =>
  behind === null ? (
    text
  ) : (
    <Link
      to="."
      search={(before) => changedSearch(before, { behind: behind === 'all' ? undefined : behind })}
      hash="behind"
      className="text-soft underline decoration-line underline-offset-2 hover:text-accent"
    >
      {text}
    </Link>
  )

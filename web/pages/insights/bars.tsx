import { Link } from '@tanstack/react-router'
import { t } from '../../texts/en.ts'
import { changedSearch } from '../../ui/search.ts'
import type { Bar } from './figures.ts'

/**
 * A bar for each bucket, all of the same width so that the rows of a page share one line of time. What has no data has no bar, which is
 * not a bar of nothing. Who points at one sees its figure and goes to its deployments; the choice beneath does the same by keyboard.
 */
export const Bars = ({
  metric,
  bars,
  names,
  starts,
  chosen,
}: {
  metric: string
  bars: readonly Bar[]
  names: readonly string[]
  starts: readonly number[]
  /** The start of the bucket that is looked at. */
  chosen: number | undefined
}) => {
  const largest = Math.max(0, ...bars.map(({ value }) => value ?? 0))
  const told = bars.map((bar, at) => `${names[at] ?? ''}: ${bar.told}`)
  return (
    <div className="min-w-0">
      <p className="sr-only">{t.insights.chart(metric, told.join('; '))}</p>
      <div aria-hidden="true" className="flex h-16 items-end gap-px border-b border-strong sm:gap-0.5">
        {bars.map(({ value, bad }, at) => {
          const start = starts[at] ?? 0
          const isChosen = chosen === start
          return (
            <Link
              key={start}
              to="."
              search={(before) => changedSearch(before, { at: isChosen ? undefined : start })}
              resetScroll={false}
              replace
              tabIndex={-1}
              title={told[at]}
              className={`group flex h-full min-w-0 max-w-10 flex-1 items-end ${isChosen ? 'bg-sunk' : ''}`}
            >
              <Column value={value} bad={bad} largest={largest} isDim={chosen !== undefined && !isChosen} />
            </Link>
          )
        })}
      </div>
    </div>
  )
}

const Column = ({
  value,
  bad,
  largest,
  isDim,
}: {
  value: number | null
  bad: number
  largest: number
  isDim: boolean
}) => {
  if (value === null) return <span className="h-0.5 w-full bg-line" />
  const height = largest === 0 ? 0 : (100 * value) / largest
  return (
    <span
      className={`flex min-h-0.5 w-full flex-col overflow-hidden rounded-t-sm group-hover:opacity-100 ${isDim ? 'opacity-45' : ''}`}
      style={{ height: `${height}%` }}
    >
      <span className="bg-bad" style={{ height: value === 0 ? 0 : `${(100 * bad) / value}%` }} />
      <span className="flex-1 bg-accent" />
    </span>
  )
}

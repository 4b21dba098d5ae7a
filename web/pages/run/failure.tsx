import type { Run } from '../../api/run-queries.ts'
import { t } from '../../texts/en.ts'
import { Foreign } from '../../ui/foreign.tsx'
import { Pre } from '../../ui/parts.tsx'

/** Why it failed, where, and the last that was said. */
export const Failure = ({ failure }: { failure: NonNullable<Run['failure']> }) => {
  const { job, step, detail, lastLines, where } = failure
  const place = where?.file ? `${where.file}${where.line ? `:${where.line}` : ''}` : null
  return (
    <section aria-label={t.run.failure} className="mb-4 rounded-lg border border-bad bg-bad-wash p-4">
      <h2 className="m-0 text-sm font-semibold text-bad">
        <Foreign>{detail}</Foreign>
      </h2>
      <p className="m-0 mt-1 text-soft">
        <Foreign>{[job, step, place].filter((word) => word !== null).join(' · ')}</Foreign>
      </p>
      {lastLines.length > 0 && <Pre className="mt-3 max-h-60 bg-panel text-xs">{lastLines.join('\n')}</Pre>}
    </section>
  )
}

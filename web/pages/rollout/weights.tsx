import { useQuery } from '@tanstack/react-query'
import { type Rollout, rollout as rolloutOf } from '../../api/deployment-queries.ts'
import { t } from '../../texts/en.ts'
import { short, span } from '../../ui/format.ts'
import { useNow } from '../../ui/parts.tsx'

/** How the traffic is shared now, and the steps on the way. */
export const Weights = ({ rollout }: { rollout: Rollout }) => {
  const now = useNow(1_000)
  const { weightPercent, steps, step, stepStartedAt, phase, outcome, baseline } = rollout
  const share = outcome === 'succeeded' ? 100 : weightPercent
  const before = useQuery({
    ...rolloutOf(rollout.project, baseline?.deployment ?? ''),
    enabled: baseline !== null,
    staleTime: Number.POSITIVE_INFINITY,
  })
  const old = baseline ? short(before.data?.commit ?? '') : t.rollout.first
  return (
    <>
      <div className="flex justify-between gap-4 pb-1 text-xs text-soft">
        <span>
          {t.rollout.new} <code className="font-mono">{short(rollout.commit)}</code> {t.rollouts.weight(share)}
        </span>
        <span>
          {t.rollouts.weight(100 - share)} {t.rollout.old} <code className="font-mono">{old}</code>
        </span>
      </div>
      <div
        role="img"
        aria-label={`${t.rollout.new}: ${t.rollouts.weight(share)}`}
        className="flex h-4 overflow-hidden rounded-full bg-sunk"
      >
        <span className="bg-accent transition-[width] duration-500" style={{ width: `${share}%` }} />
      </div>
      {steps.length > 1 && (
        <ol className="m-0 mt-4 grid list-none gap-2 p-0 [grid-template-columns:repeat(auto-fit,minmax(7rem,1fr))]">
          {steps.map((one, at) => {
            const isPast = outcome === 'succeeded' || phase === 'watch' || (step !== null && at < step)
            const isNow = phase === 'step' && at === step
            return (
              <li
                // biome-ignore lint/suspicious/noArrayIndexKey: a step is known by its place
                key={at}
                aria-current={isNow ? 'step' : undefined}
                className={`rounded-md border px-3 py-2 ${isNow ? 'border-accent bg-accent-wash text-accent' : isPast ? 'border-line' : 'border-line text-soft'}`}
              >
                <span className="flex items-center justify-between font-medium">
                  {t.rollouts.weight(one.weightPercent)}
                  {isPast && <span aria-hidden="true">✓</span>}
                </span>
                <span className="text-xs">
                  {isNow && stepStartedAt !== null
                    ? span(now - stepStartedAt)
                    : `${span(one.minMs)} – ${span(one.maxMs)}`}
                </span>
              </li>
            )
          })}
        </ol>
      )}
    </>
  )
}

import { useMemo } from 'react'
import type { Why } from '../../api/deployment-queries.ts'
import { t } from '../../texts/en.ts'
import { Chart } from '../../ui/chart.tsx'
import { percent } from '../../ui/format.ts'
import { Empty } from '../../ui/states.tsx'

/**
 * The evidence against the new version (the logarithm of an e-process) as it grows. By Ville's inequality it crosses ln(1/alpha) with at
 * most alpha chance when the new version is no worse, however often one looks.
 */
export const Evidence = ({ why, upTo }: { why: Why; upTo: number | null }) => {
  const { at, lines } = useMemo(() => {
    const shown = why.series.filter((point) => upTo === null || point.at <= upTo)
    return {
      at: shown.map((point) => point.at),
      lines: [{ label: t.rollout.evidence, colour: '--accent', values: shown.map(({ lnE }) => lnE), isFilled: true }],
    }
  }, [why.series, upTo])
  if (at.length === 0) return <Empty>{t.rollout.noEvidence}</Empty>
  const alpha = why.now?.alpha ?? why.plan.alpha
  const line = Math.log(1 / alpha)
  return (
    <>
      <Chart
        label={t.rollout.evidence}
        at={at}
        lines={lines}
        format={(value) => value.toFixed(1)}
        height={200}
        level={{ value: line, colour: '--bad', label: t.rollout.line }}
      />
      <p className="m-0 mt-2 text-xs text-soft">{t.rollout.evidenceHelp(percent(alpha))}</p>
    </>
  )
}

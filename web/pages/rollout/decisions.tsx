import type { Why } from '../../api/deployment-queries.ts'
import { t } from '../../texts/en.ts'
import { Foreign } from '../../ui/foreign.tsx'
import { clock } from '../../ui/format.ts'
import { Badge, type Tone } from '../../ui/parts.tsx'
import { Empty } from '../../ui/states.tsx'

const tones: Readonly<Record<Why['verdicts'][number]['verdict'], Tone>> = {
  pass: 'good',
  fail: 'bad',
  inconclusive: 'wait',
}

/** What the judge said at the end of each step, and whether its numbers give the same again today. */
export const Decisions = ({ why, upTo, isStep }: { why: Why; upTo: number | null; isStep: boolean }) => {
  const latency = isStep ? why.latency : null
  const shown = why.verdicts.filter(({ at }) => upTo === null || at <= upTo)
  if (shown.length === 0 && !why.now) return <Empty>{t.rollout.noEvidence}</Empty>
  return (
    <ol className="m-0 list-none p-0">
      {shown.map(({ seq, at, verdict, reason, recomputed }) => (
        <li key={seq} className="flex flex-col gap-1 border-t border-line px-4 py-3">
          <span className="flex flex-wrap items-center gap-3">
            <Badge tone={tones[verdict]}>{t.rollout.verdict[verdict]}</Badge>
            <time dateTime={new Date(at).toISOString()} className="text-soft">
              {clock(at)}
            </time>
            <span className="text-xs text-soft">{t.rollout.recomputed[recomputed.kind]}</span>
          </span>
          <Foreign>{reason}</Foreign>
        </li>
      ))}
      {why.now && upTo === null && <Standing name={latency && t.rollout.errors} judgement={why.now} />}
      {latency && upTo === null && <Standing name={t.rollout.latency} judgement={latency} />}
    </ol>
  )
}

/** How a judging stands at this moment; with its name where a step waits for more than one. */
const Standing = ({ name, judgement }: { name: string | null; judgement: NonNullable<Why['latency']> }) => (
  <li className="flex flex-col gap-1 border-t border-line px-4 py-3">
    <span className="flex flex-wrap items-center gap-3">
      {name}
      <Badge tone={judgement.verdict === 'inconclusive' ? 'busy' : tones[judgement.verdict]}>
        {t.rollout.verdict[judgement.verdict]}
      </Badge>
    </span>
    <Foreign>{judgement.reason}</Foreign>
  </li>
)

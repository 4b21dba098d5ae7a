import type { Why } from '../../api/deployment-queries.ts'
import { t } from '../../texts/en.ts'
import { count, milliseconds, percent } from '../../ui/format.ts'
import { Empty } from '../../ui/states.tsx'

type Band = { readonly from: number; readonly until: number | null }
type Row = { readonly name: string; readonly old: Band; readonly new: Band; readonly say: (value: number) => string }

/** Both versions beside each other; each rate and latency as the band in which it lies. */
export const Figures = ({ why, upTo }: { why: Why; upTo: number | null }) => {
  const { now } = why
  const point = upTo === null ? why.series.at(-1) : why.series.findLast(({ at }) => at <= upTo)
  const counted = point ?? (now && { baseline: now.baseline, canary: now.canary })
  if (!counted) return <Empty>{t.rollout.noEvidence}</Empty>
  const rows: readonly Row[] =
    now && upTo === null
      ? [
          { name: t.rollout.errorRate, old: now.baseline.errorRate, new: now.canary.errorRate, say: percent },
          ...now.canary.latency.flatMap(({ quantile, fromMs, untilMs }): Row[] => {
            const old = now.baseline.latency.find((one) => one.quantile === quantile)
            const name = t.rollout.quantile(quantile)
            const band = { from: fromMs, until: untilMs }
            return old ? [{ name, old: { from: old.fromMs, until: old.untilMs }, new: band, say: milliseconds }] : []
          }),
        ]
      : []
  const share = ({ requests, errors }: { requests: number; errors: number }) =>
    percent(requests === 0 ? null : errors / requests)
  return (
    <>
      <table className="w-full border-collapse text-left [&_td]:border-t [&_td]:px-4 [&_td]:py-2 [&_th]:px-4 [&_th]:py-2 [&_th]:font-normal [&_th]:text-soft [&_tbody_th]:border-t">
        <thead>
          <tr className="border-t border-line text-xs">
            <th />
            <th className="text-right">{t.rollout.old}</th>
            <th className="text-right">{t.rollout.new}</th>
          </tr>
        </thead>
        <tbody>
          <tr>
            <th scope="row">{t.rollout.requests}</th>
            <td className="text-right">{count(counted.baseline.requests)}</td>
            <td className="text-right">{count(counted.canary.requests)}</td>
          </tr>
          <tr>
            <th scope="row">{t.rollout.errors}</th>
            <td className="text-right">
              {count(counted.baseline.errors)} <span className="text-soft">({share(counted.baseline)})</span>
            </td>
            <td className="text-right">
              {count(counted.canary.errors)} <span className="text-soft">({share(counted.canary)})</span>
            </td>
          </tr>
        </tbody>
      </table>
      {rows.length > 0 && (
        <div className="flex flex-col gap-4 border-t border-line p-4">
          {rows.map((row) => (
            <Bands key={row.name} {...row} />
          ))}
          <p className="m-0 text-xs text-soft">{t.rollout.bandHelp}</p>
        </div>
      )}
    </>
  )
}

/** Two bands on one scale. One without an upper bound fades out at the edge. */
const Bands = ({ name, old, new: fresh, say }: Row) => {
  const ends = [old.until, fresh.until, old.from * 1.5, fresh.from * 1.5].filter((value) => value !== null)
  const most = Math.max(...ends) || 1
  const bar = (band: Band, colour: string, who: string) => {
    const until = band.until ?? most
    const told = `${who}: ${t.rollout.band(say(band.from), band.until === null ? '∞' : say(band.until))}`
    return (
      <div className="flex items-center gap-3">
        <span className="relative h-2.5 flex-1 rounded-full bg-sunk">
          <span
            className={`absolute h-full min-w-1 rounded-full ${colour}`}
            style={{
              left: `${(100 * band.from) / most}%`,
              width: `${Math.max(0.5, (100 * (until - band.from)) / most)}%`,
            }}
          />
        </span>
        <span className="w-36 text-right text-xs whitespace-nowrap" title={told}>
          {say(band.from)} – {band.until === null ? '∞' : say(band.until)}
        </span>
      </div>
    )
  }
  return (
    <div>
      <h3 className="m-0 mb-1 text-xs font-normal text-soft">{name}</h3>
      <div className="flex flex-col gap-1">
        {bar(old, 'bg-strong', t.rollout.old)}
        {bar(fresh, 'bg-accent', t.rollout.new)}
      </div>
    </div>
  )
}

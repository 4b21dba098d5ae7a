import { Link } from '@tanstack/react-router'
import type { DeploymentGlance } from '../../api/deployment-queries.ts'
import { t } from '../../texts/en.ts'
import { clock, short } from '../../ui/format.ts'
import type { Tone } from '../../ui/parts.tsx'

const dayMs = 86_400_000
const hourMs = 3_600_000

export const toneOf = (outcome: DeploymentGlance['outcome']): Tone =>
  outcome === 'succeeded' ? 'good' : outcome === null ? 'busy' : outcome === 'superseded' ? 'calm' : 'bad'

const marks: Readonly<Record<Tone, string>> = {
  good: 'bg-good',
  bad: 'bg-bad',
  busy: 'bg-accent pulse-dot',
  calm: 'bg-strong',
  wait: 'bg-wait',
}

/** The last day's deployments, a mark each where it was in time; those that ended badly reach higher. */
export const Day = ({
  deployments,
  now,
  project,
}: {
  deployments: readonly DeploymentGlance[]
  now: number
  project: string
}) => {
  const today = deployments.filter(({ requestedAt }) => now - requestedAt < dayMs).toReversed()
  const bad = today.filter(({ outcome }) => toneOf(outcome) === 'bad').length
  const whole = Math.ceil(now / hourMs) * hourMs
  const hours = [24, 18, 12, 6, 0].map((ago) => ({ ago, at: whole - ago * hourMs }))
  return (
    <>
      <p className="m-0 mb-3 text-soft">{today.length === 0 ? t.loop.dayNone : t.loop.dayCount(today.length, bad)}</p>
      <div className="relative h-14 border-b border-strong">
        {today.map(({ deployment, service, environment, commit, outcome, requestedAt }) => {
          const tone = toneOf(outcome)
          const told = `${clock(requestedAt)} ${service}, ${environment}, ${short(commit)}: ${t.outcome[outcome ?? 'running']}`
          return (
            <Link
              key={deployment}
              to="/projects/$project/rollouts/$rollout"
              params={{ project, rollout: deployment }}
              title={told}
              aria-label={told}
              className="group absolute bottom-0 flex h-full w-2 -translate-x-1/2 items-end justify-center"
              style={{ left: `${(100 * (requestedAt - (whole - dayMs))) / dayMs}%` }}
            >
              <span
                className={`w-[3px] rounded-t-sm transition-[height] group-hover:h-full ${marks[tone]} ${tone === 'bad' ? 'h-full' : 'h-3/5'}`}
              />
            </Link>
          )
        })}
      </div>
      <div className="mt-1 flex justify-between text-xs text-soft">
        {hours.map(({ ago, at }) => (
          <span key={ago}>{clock(at).slice(0, 5)}</span>
        ))}
      </div>
    </>
  )
}

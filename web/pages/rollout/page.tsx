import { useQuery } from '@tanstack/react-query'
import { Link, useNavigate, useParams, useSearch } from '@tanstack/react-router'
import { useEffect, useState } from 'react'
import { type Rollout, rollout, rolloutStory, rolloutWhy, type Why } from '../../api/deployment-queries.ts'
import { t } from '../../texts/en.ts'
import { Foreign } from '../../ui/foreign.tsx'
import { clock, short } from '../../ui/format.ts'
import { Button, PageHead, Panel, Time } from '../../ui/parts.tsx'
import { Empty, Loaded, Skeleton } from '../../ui/states.tsx'
import { RolloutBadge } from '../rollouts/page.tsx'
import { Decisions } from './decisions.tsx'
import { Evidence } from './evidence.tsx'
import { Figures } from './figures.tsx'
import { Orders } from './orders.tsx'
import { Weights } from './weights.tsx'

const replayStepMs = 120

/** A rollout as it goes, or as it went: weights, both versions, the evidence, every decision in words. */
export const RolloutPage = () => {
  const { project, rollout: name } = useParams({ from: '/shell/projects/$project/rollouts/$rollout' })
  const query = useQuery(rollout(project, name))
  return (
    <Loaded query={query} waiting={<Skeleton rows={5} rowClass="h-28" />}>
      {(one) => <Page project={project} one={one} />}
    </Loaded>
  )
}

const Page = ({ project, one }: { project: string; one: Rollout }) => {
  const isLive = one.phase !== 'ended'
  const why = useQuery({ ...rolloutWhy(project, one.deployment, isLive), enabled: one.isJudged })
  const story = useQuery(rolloutStory(project, one.deployment))
  const replay = useReplay(why.data, isLive)
  return (
    <>
      <PageHead
        above={
          <Link to="/projects/$project/rollouts" params={{ project }} className="text-soft">
            {t.rollouts.title}
          </Link>
        }
        title={
          <>
            <Link
              to="/projects/$project/services/$service"
              params={{ project, service: one.service }}
              search={{ environment: one.environment }}
              className="text-ink no-underline hover:text-accent"
            >
              {one.service}
            </Link>{' '}
            <span className="font-mono font-normal">{short(one.commit)}</span>
          </>
        }
        detail={
          <>
            <RolloutBadge rollout={one} />
            <span>{one.environment}</span>
            <span>{one.strategy}</span>
            <Time at={one.requestedAt} />
          </>
        }
        actions={isLive && <Orders project={project} rollout={one} />}
      />
      {one.detail && (
        <p
          className={`m-0 mb-4 rounded-lg p-4 ${one.outcome === 'succeeded' ? 'bg-good-wash text-good' : 'bg-bad-wash text-bad'}`}
        >
          <Foreign>{one.detail}</Foreign>
        </p>
      )}
      <div className="grid gap-4 lg:grid-cols-2">
        <Panel title={t.rollout.weights} className="lg:col-span-2">
          <Weights rollout={one} />
        </Panel>
        {one.isJudged ? (
          <>
            <Panel title={t.rollout.figures} isFlush>
              <Loaded query={why}>{(known) => <Figures why={known} upTo={replay.at} />}</Loaded>
            </Panel>
            <Panel title={t.rollout.evidence} aside={replay.controls}>
              <Loaded query={why}>{(known) => <Evidence why={known} upTo={replay.at} />}</Loaded>
            </Panel>
            <Panel title={t.rollout.decisions} isFlush>
              <Loaded query={why}>
                {(known) => <Decisions why={known} upTo={replay.at} isStep={one.phase === 'step'} />}
              </Loaded>
            </Panel>
          </>
        ) : (
          <Panel title={t.rollout.decisions}>
            <Empty>{t.rollout.notJudged}</Empty>
          </Panel>
        )}
        <Panel title={t.rollout.story} isFlush>
          <Loaded query={story}>
            {(events) => (
              <ol className="m-0 list-none p-0">
                {events.map(({ seq, at, text }) => (
                  <li key={`${seq} ${text}`} className="flex gap-3 border-t border-line px-4 py-2.5">
                    <time dateTime={new Date(at).toISOString()} className="shrink-0 text-soft">
                      {clock(at)}
                    </time>
                    <Foreign>{text}</Foreign>
                  </li>
                ))}
              </ol>
            )}
          </Loaded>
        </Panel>
      </div>
    </>
  )
}

/** A finished rollout can be gone through again: which moment of its evidence is shown; null is the end. */
const useReplay = (why: Why | undefined, isLive: boolean) => {
  const { at: asked } = useSearch({ from: '/shell/projects/$project/rollouts/$rollout' })
  const navigate = useNavigate({ from: '/projects/$project/rollouts/$rollout' })
  const [isPlaying, setIsPlaying] = useState(false)
  const points = why?.series.length ?? 0
  const isReplayed = !isLive && points > 1
  const at = isReplayed && asked !== undefined ? Math.min(asked, points - 1) : null
  useEffect(() => {
    if (!isPlaying || !isReplayed) return
    if (at !== null && at >= points - 1) return setIsPlaying(false)
    const timer = setTimeout(() => void navigate({ search: { at: (at ?? -1) + 1 }, replace: true }), replayStepMs)
    return () => clearTimeout(timer)
  }, [isPlaying, isReplayed, at, points, navigate])
  const play = (): void => {
    if (!isPlaying && (at === null || at >= points - 1)) void navigate({ search: { at: 0 }, replace: true })
    setIsPlaying(!isPlaying)
  }
  const controls = isReplayed && (
    <>
      <Button onClick={play}>{isPlaying ? t.rollout.stop : t.rollout.replay}</Button>
      <input
        type="range"
        aria-label={t.rollout.moment}
        min={0}
        max={points - 1}
        value={at ?? points - 1}
        onChange={(event) => {
          setIsPlaying(false)
          void navigate({ search: { at: Number(event.target.value) }, replace: true })
        }}
        className="w-32 accent-accent"
      />
    </>
  )
  return { at: at === null ? null : (why?.series[at]?.at ?? null), controls }
}

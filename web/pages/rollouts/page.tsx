import { useQuery } from '@tanstack/react-query'
import { Link, useParams } from '@tanstack/react-router'
import { type Rollout, rollouts } from '../../api/deployment-queries.ts'
import { t } from '../../texts/en.ts'
import { short } from '../../ui/format.ts'
import { Badge, PageHead, Panel, Time } from '../../ui/parts.tsx'
import { Empty, Loaded, Skeleton } from '../../ui/states.tsx'
import { Cell, TableBox } from '../../ui/table.tsx'
import { toneOf } from '../loop/day.tsx'

export const RolloutsPage = () => {
  const { project } = useParams({ from: '/shell/projects/$project/rollouts' })
  const query = useQuery(rollouts(project))
  return (
    <>
      <PageHead title={t.rollouts.title} />
      <Loaded query={query} waiting={<Skeleton rows={8} />}>
        {(all) => {
          const active = all.filter(({ phase }) => phase !== 'ended')
          const finished = all.filter(({ phase }) => phase === 'ended')
          if (all.length === 0)
            return (
              <Panel isFlush>
                <Empty>{t.rollouts.none}</Empty>
              </Panel>
            )
          return (
            <div className="flex flex-col gap-4">
              {active.length > 0 && (
                <Panel title={t.rollouts.active} isFlush>
                  <Table rollouts={active} project={project} label={t.rollouts.active} />
                </Panel>
              )}
              {finished.length > 0 && (
                <Panel title={t.rollouts.finished} isFlush>
                  <Table rollouts={finished} project={project} label={t.rollouts.finished} />
                </Panel>
              )}
            </div>
          )
        }}
      </Loaded>
    </>
  )
}

const Table = ({
  rollouts: shown,
  project,
  label,
}: {
  rollouts: readonly Rollout[]
  project: string
  label: string
}) => {
  const { columns } = t.rollouts
  return (
    <TableBox label={label}>
      <thead>
        <tr>
          <th>{columns.service}</th>
          <th>{columns.version}</th>
          <th>{columns.strategy}</th>
          <th>{columns.progress}</th>
          <th>{columns.outcome}</th>
          <th className="text-right!">{columns.when}</th>
        </tr>
      </thead>
      <tbody>
        {shown.map((one) => (
          <tr key={one.deployment}>
            <Cell fold="title" className="whitespace-nowrap">
              <Link
                to="/projects/$project/rollouts/$rollout"
                params={{ project, rollout: one.deployment }}
                className="font-medium text-ink no-underline hover:text-accent"
              >
                {one.service}
              </Link>{' '}
              <span className="text-soft">{one.environment}</span>
            </Cell>
            <Cell className="font-mono text-xs">{short(one.commit)}</Cell>
            <Cell>{one.strategy}</Cell>
            <Cell fold="line" className="w-full min-w-32">
              <Bar percent={one.outcome === 'succeeded' ? 100 : one.weightPercent} isActive={one.outcome === null} />
            </Cell>
            <Cell fold="aside" className="whitespace-nowrap">
              <RolloutBadge rollout={one} />
            </Cell>
            <Cell className="text-right text-soft">
              <Time at={one.finishedAt ?? one.requestedAt} />
            </Cell>
          </tr>
        ))}
      </tbody>
    </TableBox>
  )
}

export const RolloutBadge = ({ rollout }: { rollout: Rollout }) =>
  rollout.outcome !== null ? (
    <Badge tone={toneOf(rollout.outcome)}>{t.outcome[rollout.outcome]}</Badge>
  ) : rollout.paused ? (
    <Badge tone="wait">{t.rollout.paused}</Badge>
  ) : (
    <Badge tone={rollout.phase === 'undoing' ? 'bad' : 'busy'}>{t.rollout.phase[rollout.phase]}</Badge>
  )

/** How much of the traffic the new version has. */
export const Bar = ({ percent, isActive }: { percent: number; isActive: boolean }) => (
  <span className="flex max-w-64 items-center gap-2">
    <span className="h-1.5 flex-1 overflow-hidden rounded-full bg-sunk" aria-hidden="true">
      <span
        className={`block h-full rounded-full transition-[width] duration-500 ${isActive ? 'bg-accent' : 'bg-strong'}`}
        style={{ width: `${percent}%` }}
      />
    </span>
    <span className="w-12 text-right text-xs text-soft">{t.rollouts.weight(percent)}</span>
  </span>
)

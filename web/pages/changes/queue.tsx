import { useQuery, useQueryClient } from '@tanstack/react-query'
import { Link } from '@tanstack/react-router'
import { type ReactNode, useState } from 'react'
import { type MergeQueue, mergeQueues } from '../../api/change-queries.ts'
import { answer, api } from '../../api/client.ts'
import { useMay } from '../../shell/role.ts'
import { t } from '../../texts/en.ts'
import { Confirm } from '../../ui/dialog.tsx'
import { Foreign } from '../../ui/foreign.tsx'
import { Badge, Button, Panel, Time, type Tone } from '../../ui/parts.tsx'
import { Empty, Loaded, Skeleton } from '../../ui/states.tsx'
import { RunBadge } from '../runs/page.tsx'

type Queued = MergeQueue['queued'][number]
type Named = Pick<Queued, 'repository' | 'number' | 'title'>

const tones: Readonly<Record<Queued['standing']['kind'], Tone>> = {
  ...({ making: 'busy', testing: 'busy', ready: 'good', landing: 'good' } as const),
  ...({ failed: 'wait', conflict: 'wait', leaving: 'bad', waiting: 'calm' } as const),
}

/** What waits to be merged, in order, how each stands there, what is kept from it, and what was put out. */
export const QueueTab = ({ project }: { project: string }) => {
  const query = useQuery(mergeQueues(project))
  const queries = useQueryClient()
  const [taken, setTaken] = useState<Named | null>(null)
  const mayAct = useMay('developer', project)
  return (
    <Loaded query={query} waiting={<Skeleton rows={4} rowClass="h-16" />}>
      {(all) => (
        <>
          {all.length === 0 && (
            <Panel>
              <Empty>
                <p className="m-0 text-ink">{t.queue.none}</p>
                <p className="m-0">{t.queue.noneDetail}</p>
              </Empty>
            </Panel>
          )}
          <div className="flex flex-col gap-4">
            {all.map((queue) => (
              <Shown
                key={`${queue.repository} ${queue.target}`}
                project={project}
                queue={queue}
                takeOut={mayAct ? setTaken : null}
              />
            ))}
          </div>
          {taken && (
            <Confirm
              title={t.queue.takeOutTitle(nameOf(taken))}
              detail={t.queue.takeOutDetail}
              action={t.queue.takeOut}
              close={() => setTaken(null)}
              act={async () => {
                const param = { project, repository: taken.repository, number: String(taken.number) }
                const one = api.changes.projects[':project'].repositories[':repository'].changes[':number']
                await answer(one.merge.$delete({ param }))
                await queries.invalidateQueries({ queryKey: ['changes'] })
              }}
            />
          )}
        </>
      )}
    </Loaded>
  )
}

const nameOf = ({ repository, number }: Named): string => `${repository} #${number}`

const Shown = ({
  project,
  queue: { repository, target, isHeld, queued, asked, left },
  takeOut,
}: {
  project: string
  queue: MergeQueue
  takeOut: ((change: Named) => void) | null
}) => (
  <Panel
    title={<Foreign>{t.queue.to(repository, target)}</Foreign>}
    aside={
      <>
        {isHeld && <Badge tone="bad">{t.queue.held(target)}</Badge>}
        <span>{t.queue.count(queued.length)}</span>
      </>
    }
    isFlush
  >
    {queued.length === 0 && <p className="m-0 border-t border-line px-4 py-3 text-soft">{t.queue.none}</p>}
    <ol className="m-0 list-none p-0">
      {queued.map((change, at) => (
        <Row
          key={change.number}
          project={project}
          change={change}
          place={at + 1}
          standing={<Badge tone={tones[change.standing.kind]}>{t.queue.standing[change.standing.kind]}</Badge>}
          why={change.standing.detail === null ? [] : [change.standing.detail]}
          about={
            change.by !== null && (
              <>
                {' · '}
                <Foreign>{t.queue.asked(change.by)}</Foreign> <Time at={change.since} />
              </>
            )
          }
          action={
            takeOut && (
              <Button onClick={() => takeOut(change)} aria-label={`${t.queue.takeOut} ${nameOf(change)}`}>
                {t.queue.takeOut}
              </Button>
            )
          }
        >
          {change.checks
            .filter(({ job }) => job === null)
            .map((check) => (
              <Link
                key={check.run}
                to="/projects/$project/runs/$run"
                params={{ project, run: check.run }}
                className="inline-flex items-center gap-2 text-soft"
              >
                <Foreign>{check.name}</Foreign> <RunBadge run={check} />
              </Link>
            ))}
        </Row>
      ))}
    </ol>
    <Others title={t.queue.notYet} isEmpty={asked.length === 0}>
      {asked.map((change) => (
        <Row key={change.number} project={project} change={change} why={change.blockers.map(({ detail }) => detail)} />
      ))}
    </Others>
    <Others title={t.queue.left} isEmpty={left.length === 0}>
      {left.map((change) => (
        <Row
          key={change.number}
          project={project}
          change={change}
          why={change.note === null ? [] : [change.note]}
          about={
            <>
              {' · '}
              <Time at={change.updatedAt} />
            </>
          }
        />
      ))}
    </Others>
  </Panel>
)

const Others = ({ title, isEmpty, children }: { title: string; isEmpty: boolean; children: ReactNode }) =>
  !isEmpty && (
    <>
      <h3 className="m-0 border-t border-line bg-sunk px-4 py-2 text-xs font-normal text-soft">{title}</h3>
      <ul className="m-0 list-none p-0 [&>li:first-child]:border-t-0">{children}</ul>
    </>
  )

const Row = ({
  project,
  change,
  place,
  standing,
  why,
  about,
  action,
  children,
}: {
  project: string
  change: Named
  place?: number
  standing?: ReactNode
  why: readonly string[]
  about?: ReactNode
  action?: ReactNode
  children?: ReactNode
}) => (
  <li className="flex flex-wrap items-center gap-x-4 gap-y-2 border-t border-line px-4 py-3">
    {place !== undefined && (
      <span className="w-6 text-lg font-semibold text-soft tabular-nums">
        <span className="sr-only">{t.queue.place(place)}</span>
        <span aria-hidden="true">{place}</span>
      </span>
    )}
    <div className="flex min-w-0 flex-[1_1_16rem] flex-col gap-1">
      <span>
        <Link
          to="/projects/$project/changes/$repository/$number"
          params={{ project, repository: change.repository, number: String(change.number) }}
          className="font-medium text-ink no-underline hover:text-accent"
        >
          <Foreign>{change.title ?? t.changes.erased}</Foreign>
        </Link>
        <span className="block text-xs text-soft">
          {nameOf(change)}
          {about}
        </span>
      </span>
      {why.map((detail) => (
        <Foreign key={detail} className="text-wait">
          {detail}
        </Foreign>
      ))}
    </div>
    <span className="flex flex-wrap items-center gap-x-4 gap-y-1">
      {children}
      {standing}
    </span>
    {action}
  </li>
)

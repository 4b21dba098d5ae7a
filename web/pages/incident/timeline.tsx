import { useQuery } from '@tanstack/react-query'
import { Link } from '@tanstack/react-router'
import type { ReactNode } from 'react'
import { type Asked, type IncidentStory, learned } from '../../api/learn-queries.ts'
import { t } from '../../texts/en.ts'
import { Foreign } from '../../ui/foreign.tsx'
import { clock, date, moment, personOf } from '../../ui/format.ts'
import { Dot, Time, type Tone } from '../../ui/parts.tsx'
import { sourceName } from '../incidents/state.tsx'
import { DeployedLink, versionOf } from '../insights/version.tsx'

const dayMs = 86_400_000
const lateMs = 60_000

/** The deployments of the same service and environment from so many days before it began until it was over. */
export const around = (
  project: string,
  { service, environment, beganAt, resolvedAt }: IncidentStory,
  days: number,
): Asked => ({
  project,
  service: service ?? undefined,
  environment: environment ?? 'production',
  since: beganAt - days * dayMs,
  until: resolvedAt === null ? undefined : resolvedAt + 1,
})

const tones: Readonly<Record<IncidentStory['story'][number]['what'], Tone>> = {
  'impact-started': 'bad',
  detected: 'bad',
  acknowledged: 'wait',
  mitigated: 'busy',
  resolved: 'good',
  reopened: 'bad',
  dismissed: 'calm',
  attributed: 'calm',
}

type Entry = {
  readonly key: string
  readonly at: number
  readonly tone: Tone
  readonly text: ReactNode
  readonly detail: ReactNode
}

/** All that became of it, in order, with the deployments around it. */
export const Timeline = ({ project, known }: { project: string; known: IncidentStory }) => {
  const { data: deployments = [] } = useQuery({
    ...learned(around(project, known, 1), 'all', 50),
    enabled: known.service !== null,
  })
  const told = known.story.map(
    ({ what, at, toldAt, by, detail, deployment, version }): Entry => ({
      key: `${what} ${toldAt} ${at}`,
      at,
      tone: tones[what],
      text:
        what === 'attributed' && deployment !== null ? (
          <>
            {t.incidents.moment.attributed} <DeployedLink project={project} of={{ deployment, version }} />
          </>
        ) : (
          t.incidents.moment[what === 'attributed' ? 'unattributed' : what]
        ),
      detail: (
        <>
          <Foreign>{personOf(by)}</Foreign>
          {detail !== null && (
            <>
              {', '}
              <Foreign>{what === 'detected' ? sourceName(detail) : detail}</Foreign>
            </>
          )}
          {toldAt - at > lateMs && (
            <>
              {', '}
              {t.incidents.saidLater(`${date(toldAt)} ${clock(toldAt)}`)}
            </>
          )}
        </>
      ),
    }),
  )
  const live = deployments.flatMap((one): Entry[] =>
    one.liveAt === null
      ? []
      : [
          {
            key: one.deployment,
            at: one.liveAt,
            tone: one.deployment === known.deployment ? 'bad' : 'calm',
            text: (
              <Link
                to="/projects/$project/insights/deployment"
                params={{ project }}
                search={{ name: one.deployment }}
                className="text-ink"
              >
                {t.incidents.moment.deployment(one.service, versionOf(one))}
              </Link>
            ),
            detail: one.deployment === known.deployment ? t.incidents.blamed : t.insights.kind[one.kind],
          },
        ],
  )
  return (
    <ol className="m-0 list-none p-0">
      {[...told, ...live]
        .toSorted((one, other) => one.at - other.at)
        .map(({ key, at, tone, text, detail }) => (
          <li key={key} className="group grid grid-cols-[1rem_minmax(0,1fr)] gap-x-3">
            <span aria-hidden="true" className="flex flex-col items-center">
              <span className="h-1.5 w-px bg-line group-first:bg-transparent" />
              <Dot tone={tone} />
              <span className="w-px flex-1 bg-line group-last:bg-transparent" />
            </span>
            <span className="flex flex-wrap items-baseline justify-between gap-x-4 pb-4">
              <span className="min-w-0 flex-[1_1_12rem]">
                <span className="font-medium">{text}</span>
                <span className="block text-soft">{detail}</span>
              </span>
              <span className="text-xs whitespace-nowrap text-soft" title={moment(at)}>
                {date(at)} {clock(at)} · <Time at={at} />
              </span>
            </span>
          </li>
        ))}
    </ol>
  )
}

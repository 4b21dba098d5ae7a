import { useQuery, useQueryClient } from '@tanstack/react-query'
import { Link, useParams, useSearch } from '@tanstack/react-router'
import { type ReactNode, useState } from 'react'
import { answer, api } from '../../api/client.ts'
import { type LearnedDetail, learnedDeployment } from '../../api/learn-queries.ts'
import { useMay } from '../../shell/role.ts'
import { t } from '../../texts/en.ts'
import { Foreign } from '../../ui/foreign.tsx'
import { count, short, span } from '../../ui/format.ts'
import { Button, ButtonLink, PageHead, Panel, Time } from '../../ui/parts.tsx'
import { Empty, Loaded, Skeleton } from '../../ui/states.tsx'
import { Cell, TableBox } from '../../ui/table.tsx'
import { WhatCame } from '../insights/behind.tsx'
import { DeployedLink, VersionName } from '../insights/version.tsx'
import { Correction } from './correction.tsx'

/** What is behind one deployment: its commits with their lead times, its incidents, what it mends and is mended by. */
export const DeploymentPage = () => {
  const { project } = useParams({ from: '/shell/projects/$project/insights/deployment' })
  const { name } = useSearch({ from: '/shell/projects/$project/insights/deployment' })
  const query = useQuery(learnedDeployment(project, name))
  return (
    <Loaded query={query} waiting={<Skeleton rows={5} rowClass="h-20" />}>
      {(known) => <Shown project={project} known={known} />}
    </Loaded>
  )
}

const Shown = ({ project, known }: { project: string; known: LearnedDetail }) => {
  const mayCorrect = useMay('developer', project)
  const queries = useQueryClient()
  const [isCorrecting, setIsCorrecting] = useState(false)
  const { deployment, service, environment, source, commits, incidents, mends, mendedBy } = known
  return (
    <>
      <PageHead
        above={
          <Link
            to="/projects/$project/insights"
            params={{ project }}
            search={{ service, environment }}
            className="text-soft"
          >
            {t.insights.title}
          </Link>
        }
        title={
          <>
            <Foreign>{service}</Foreign> <VersionName of={known} className="text-xl" />
          </>
        }
        detail={
          <>
            <Foreign>{environment}</Foreign>
            <WhatCame of={known} />
          </>
        }
        actions={
          <>
            {source === 'headway' && (
              <ButtonLink to="/projects/$project/rollouts/$rollout" params={{ project, rollout: deployment }}>
                {t.insights.detail.rollout}
              </ButtonLink>
            )}
            {mayCorrect && <Button onClick={() => setIsCorrecting(true)}>{t.insights.detail.correct}</Button>}
          </>
        }
      />
      <div className="grid items-start gap-4 lg:grid-cols-[minmax(0,1fr)_20rem]">
        <Commits commits={commits} />
        <div className="flex min-w-0 flex-col gap-4">
          <Figures known={known} />
          <Panel title={t.insights.detail.incidents}>
            {incidents.length === 0 && <p className="m-0 text-soft">{t.insights.detail.noIncidents}</p>}
            <ul className="m-0 flex list-none flex-col gap-2 p-0">
              {incidents.map(({ incident, title, how, beganAt }) => (
                <li key={incident}>
                  <Link to="/projects/$project/incidents/$incident" params={{ project, incident }} className="text-ink">
                    <Foreign>{title}</Foreign>
                  </Link>
                  <span className="block text-xs text-soft">
                    <Time at={beganAt} />
                    {how !== null && `, ${t.insights.how[how]}`}
                  </span>
                </li>
              ))}
            </ul>
          </Panel>
          <Links title={t.insights.detail.mends} project={project} links={mends} />
          <Links title={t.insights.detail.mendedBy} project={project} links={mendedBy} />
        </div>
      </div>
      {isCorrecting && (
        <Correction
          close={() => setIsCorrecting(false)}
          correct={async (said) => {
            const { corrections } = api.insights.projects[':project'].insights
            await answer(corrections.$post({ param: { project }, json: { deployment, ...said } }))
            await queries.invalidateQueries({ queryKey: ['insights'] })
          }}
        />
      )}
    </>
  )
}

const Figures = ({
  known: { source, revision, commit, liveAt, leadTime, lines, isFailure, restoredAt, recoveryMs },
}: {
  known: LearnedDetail
}) => {
  const { detail } = t.insights
  const rows: readonly (readonly [string, ReactNode])[] = [
    [detail.liveAt, <Time key="live" at={liveAt} />],
    [detail.leadTime, leadTime.median === null ? t.insights.noData : span(leadTime.median)],
    ...(lines === null ? [] : [[detail.lines, count(lines)] as const]),
    ...(isFailure
      ? [
          [
            detail.restoredAt,
            restoredAt === null ? t.incidents.notYet : <Time key="restored" at={restoredAt} />,
          ] as const,
          [detail.recovery, recoveryMs === null ? t.insights.noData : span(recoveryMs)] as const,
        ]
      : []),
    [detail.source, <Foreign key="source">{source}</Foreign>],
    ...(commit === null || revision === null
      ? []
      : [
          [
            detail.release,
            <Foreign key="release" className="font-mono text-xs" title={revision}>
              {revision.replace('sha256:', '').slice(0, 12)}
            </Foreign>,
          ] as const,
        ]),
  ]
  return (
    <Panel>
      <dl className="m-0 grid grid-cols-[auto_minmax(0,1fr)] gap-x-4 gap-y-2">
        {rows.map(([name, value]) => (
          <div key={name} className="contents">
            <dt className="text-soft">{name}</dt>
            <dd className="m-0 text-right">{value}</dd>
          </div>
        ))}
      </dl>
    </Panel>
  )
}

const Links = ({ title, project, links }: { title: string; project: string; links: LearnedDetail['mends'] }) =>
  links.length === 0 ? null : (
    <Panel title={title}>
      <ul className="m-0 flex list-none flex-col gap-2 p-0">
        {links.map(({ deployment, version, how }) => (
          <li key={deployment}>
            <DeployedLink project={project} of={{ deployment, version }} />
            {how !== null && <span className="block text-xs text-soft">{t.insights.how[how]}</span>}
          </li>
        ))}
      </ul>
    </Panel>
  )

const Commits = ({ commits }: { commits: LearnedDetail['commits'] }) => {
  const { detail } = t.insights
  return (
    <Panel title={detail.commits} isFlush>
      {commits.length === 0 ? (
        <Empty>{detail.noCommits}</Empty>
      ) : (
        <TableBox label={detail.commits}>
          <thead>
            <tr>
              <th>{detail.commit}</th>
              <th>{detail.repository}</th>
              <th className="text-right!">{detail.committed}</th>
              <th className="text-right!">{t.insights.columns.leadTime}</th>
            </tr>
          </thead>
          <tbody>
            {commits.map(({ commit, repository, committedAt, isMerge, leadTimeMs }) => (
              <tr key={`${repository} ${commit}`}>
                <Cell fold="title" className="font-mono text-xs whitespace-nowrap">
                  <Foreign title={commit}>{short(commit)}</Foreign>
                </Cell>
                <Cell className="w-full min-w-32">
                  <Foreign>{repository}</Foreign>
                </Cell>
                <Cell className="text-right text-soft">
                  <Time at={committedAt} />
                </Cell>
                <Cell label={t.insights.columns.leadTime} className="text-right whitespace-nowrap">
                  {leadTimeMs === null ? (
                    <span className="text-soft">{isMerge ? detail.merge : t.insights.noData}</span>
                  ) : (
                    span(leadTimeMs)
                  )}
                </Cell>
              </tr>
            ))}
          </tbody>
        </TableBox>
      )}
    </Panel>
  )
}

import { useQuery } from '@tanstack/react-query'
import { useState } from 'react'
import { type Asked, type Behind, behinds, type Learned, learned } from '../../api/learn-queries.ts'
import { t } from '../../texts/en.ts'
import { count, span } from '../../ui/format.ts'
import { Badge, Button, Panel, Time, type Tone } from '../../ui/parts.tsx'
import { Empty, Loaded } from '../../ui/states.tsx'
import { Cell, TableBox } from '../../ui/table.tsx'
import { DeployedLink } from './version.tsx'

export const behindNamed = (name: string | undefined): Behind => behinds.find((one) => one === name) ?? 'all'

const step = 50
const most = 500

/** The way down: the very deployments that the figures were made from. */
export const Deployments = ({ asked, behind, choices }: { asked: Asked; behind: Behind; choices: React.ReactNode }) => {
  const [limit, setLimit] = useState(step)
  const query = useQuery(learned(asked, behind, limit))
  return (
    <Panel title={t.insights.behindTitle} aside={choices} isFlush>
      <Loaded query={query}>
        {(all) =>
          all.length === 0 ? (
            <Empty>{t.insights.noneBehind}</Empty>
          ) : (
            <>
              <LearnedTable project={asked.project} all={all} />
              {all.length === limit && limit < most && (
                <div className="border-t border-line p-3 text-center">
                  <Button onClick={() => setLimit(Math.min(most, limit + 3 * step))}>{t.insights.more}</Button>
                </div>
              )}
            </>
          )
        }
      </Loaded>
    </Panel>
  )
}

export const LearnedTable = ({ project, all }: { project: string; all: readonly Learned[] }) => (
  <TableBox label={t.insights.behindTitle}>
    <thead>
      <tr>
        <th>{t.insights.columns.deployment}</th>
        <th>{t.insights.columns.what}</th>
        <th className="text-right!">{t.insights.columns.commits}</th>
        <th className="text-right!">{t.insights.columns.leadTime}</th>
        <th className="text-right!">{t.insights.columns.recovery}</th>
        <th className="text-right!">{t.insights.columns.live}</th>
      </tr>
    </thead>
    <tbody>
      {all.map((one) => (
        <tr key={one.deployment}>
          <Cell fold="title" className="min-w-40">
            <DeployedLink project={project} of={{ deployment: one.deployment, version: one }} />
          </Cell>
          <Cell fold="aside">
            <WhatCame of={one} />
          </Cell>
          <Cell label={t.insights.columns.commits} className="text-right">
            {count(one.commitCount)}
          </Cell>
          <Cell label={t.insights.columns.leadTime} className="text-right whitespace-nowrap">
            {span(one.leadTime.median)}
          </Cell>
          <Cell label={t.insights.columns.recovery} className="text-right whitespace-nowrap">
            {span(one.recoveryMs)}
          </Cell>
          <Cell className="text-right text-soft">
            <Time at={one.liveAt} />
          </Cell>
        </tr>
      ))}
    </tbody>
  </TableBox>
)

/** How it ended, whether it failed and how that is known, and what it was there for. */
export const WhatCame = ({
  of: { state, isFailure, isPending, isRework, how, kind },
}: {
  of: Pick<Learned, 'state' | 'isFailure' | 'isPending' | 'isRework' | 'how' | 'kind'>
}) => {
  const tone: Tone = isFailure ? (how === 'suspected' ? 'wait' : 'bad') : isPending ? 'busy' : 'good'
  const said = isFailure ? t.insights.failure : isPending ? t.insights.behind.pending : t.insights.state[state]
  return (
    <span className="flex flex-wrap items-center gap-x-2 gap-y-1">
      <Badge tone={tone}>{said}</Badge>
      {isFailure && how !== null && <span className="text-soft">{t.insights.how[how]}</span>}
      {kind !== 'planned' && <span className="text-soft">{t.insights.kind[kind]}</span>}
      {isRework && kind === 'planned' && <span className="text-soft">{t.insights.rework}</span>}
    </span>
  )
}

import { useQuery } from '@tanstack/react-query'
import { type Promotion, promotionsOf } from '../../api/deployment-queries.ts'
import { t } from '../../texts/en.ts'
import { Foreign } from '../../ui/foreign.tsx'
import { short } from '../../ui/format.ts'
import { Badge, Panel, Time, type Tone } from '../../ui/parts.tsx'
import { Cell, TableBox } from '../../ui/table.tsx'

const tones: Readonly<Record<NonNullable<Promotion['outcome']>, Tone>> = {
  ...({ granted: 'good', rejected: 'bad', expired: 'wait' } as const),
  ...({ superseded: 'calm', withdrawn: 'calm' } as const),
}

/** What became of a service's promotions, the newest first; nothing where none has ended. */
export const EndedPromotions = ({ project, service }: { project: string; service: string }) => {
  const { data = [] } = useQuery(promotionsOf(project, service))
  const ended = data.flatMap((one) => (one.outcome === null ? [] : [{ ...one, outcome: one.outcome }]))
  if (ended.length === 0) return null
  return (
    <Panel title={t.approvals.ended} isFlush className="mt-4">
      <TableBox label={t.approvals.ended}>
        <thead>
          <tr>
            <th>{t.service.outcome}</th>
            <th>{t.service.version}</th>
            <th>{t.approvals.wayColumn}</th>
            <th>{t.approvals.agreed}</th>
            <th className="text-right!">{t.service.when}</th>
          </tr>
        </thead>
        <tbody>
          {ended.map(({ promotion, outcome, commit, from, environment, approvals, detail, endedAt }) => (
            <tr key={promotion}>
              <Cell fold="aside">
                <Badge tone={tones[outcome]}>{t.approvals.outcome[outcome]}</Badge>
              </Cell>
              <Cell fold="title" className="font-mono text-xs">
                {short(commit)}
              </Cell>
              <Cell className="whitespace-nowrap">{t.approvals.way(from, environment)}</Cell>
              <Cell fold="line" className="w-full min-w-48">
                <Foreign>{approvals.map(({ user }) => user).join(', ')}</Foreign>
                {detail && <Foreign className="block text-soft">{detail}</Foreign>}
              </Cell>
              <Cell className="text-right text-soft">
                <Time at={endedAt} />
              </Cell>
            </tr>
          ))}
        </tbody>
      </TableBox>
    </Panel>
  )
}

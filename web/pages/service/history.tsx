import { useQuery } from '@tanstack/react-query'
import { Link } from '@tanstack/react-router'
import { deployments } from '../../api/deployment-queries.ts'
import { t } from '../../texts/en.ts'
import { Foreign } from '../../ui/foreign.tsx'
import { short, span } from '../../ui/format.ts'
import { Badge, Panel, Time } from '../../ui/parts.tsx'
import { Empty, Loaded } from '../../ui/states.tsx'
import { Cell, TableBox } from '../../ui/table.tsx'
import { toneOf } from '../loop/day.tsx'

/** Every deployment of a service, the newest first. */
export const History = ({ project, service }: { project: string; service: string }) => {
  const query = useQuery(deployments(project, 200, service))
  return (
    <Panel isFlush>
      <Loaded query={query}>
        {(all) =>
          all.length === 0 ? (
            <Empty>{t.service.noHistory}</Empty>
          ) : (
            <TableBox label={t.service.history}>
              <thead>
                <tr>
                  <th>{t.service.outcome}</th>
                  <th>{t.service.version}</th>
                  <th>{t.service.environment}</th>
                  <th>{t.service.what}</th>
                  <th className="text-right!">{t.service.leadTime}</th>
                  <th className="text-right!">{t.service.when}</th>
                </tr>
              </thead>
              <tbody>
                {all.map(({ deployment, outcome, commit, environment, reason, detail, leadTimeMs, requestedAt }) => (
                  <tr key={deployment}>
                    <Cell fold="aside">
                      <Link
                        to="/projects/$project/rollouts/$rollout"
                        params={{ project, rollout: deployment }}
                        className="no-underline"
                      >
                        <Badge tone={toneOf(outcome)}>{t.outcome[outcome ?? 'running']}</Badge>
                      </Link>
                    </Cell>
                    <Cell fold="title" className="font-mono text-xs">
                      {short(commit)}
                    </Cell>
                    <Cell>{environment}</Cell>
                    <Cell className="min-w-48">
                      {t.reason[reason]}
                      {detail && <Foreign className="block text-soft">{detail}</Foreign>}
                    </Cell>
                    <Cell label={t.service.leadTime} className="text-right whitespace-nowrap">
                      {span(leadTimeMs)}
                    </Cell>
                    <Cell className="text-right text-soft">
                      <Time at={requestedAt} />
                    </Cell>
                  </tr>
                ))}
              </tbody>
            </TableBox>
          )
        }
      </Loaded>
    </Panel>
  )
}

import { useQuery } from '@tanstack/react-query'
import { runners } from '../../api/queries.ts'
import { t } from '../../texts/en.ts'
import { Badge, Panel, Time } from '../../ui/parts.tsx'
import { Empty, Loaded } from '../../ui/states.tsx'
import { TableBox } from '../../ui/tabs.tsx'

/** Who runs jobs: this machine first, then the others. */
export const RunnersTab = () => {
  const query = useQuery(runners())
  return (
    <Panel isFlush>
      <Loaded query={query}>
        {({ runners: all }) =>
          all.length === 0 ? (
            <Empty>{t.settings.noRunners}</Empty>
          ) : (
            <TableBox label={t.settings.tabs.runners}>
              <thead>
                <tr>
                  <th>{t.settings.name}</th>
                  <th>{t.settings.labels}</th>
                  <th>
                    <span className="sr-only">{t.table.state}</span>
                  </th>
                  <th className="text-right!">{t.run.jobs}</th>
                  <th className="text-right!">{t.settings.seen}</th>
                </tr>
              </thead>
              <tbody>
                {all.map((runner) => (
                  <tr key={runner.runner}>
                    <td className="font-medium">{runner.name}</td>
                    <td className="w-full min-w-40 text-soft">{(runner.labels ?? []).join(', ')}</td>
                    <td>
                      <Badge tone={runner.state === 'online' ? 'good' : 'calm'}>
                        {t.settings.runnerState[runner.state]}
                      </Badge>
                    </td>
                    <td className="text-right whitespace-nowrap">
                      {t.services.replicas(runner.jobs, runner.parallel)}
                    </td>
                    <td className="text-right text-soft">
                      <Time at={runner.seenAt} />
                    </td>
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

import { useQuery } from '@tanstack/react-query'
import { Link } from '@tanstack/react-router'
import { type Instance, instances, type Place } from '../../api/service-queries.ts'
import { t } from '../../texts/en.ts'
import { bytes, short } from '../../ui/format.ts'
import { Badge, Panel, Time, type Tone } from '../../ui/parts.tsx'
import { Empty, Loaded } from '../../ui/states.tsx'
import { Cell, TableBox } from '../../ui/table.tsx'

const toneOf = (state: Instance['state']): Tone =>
  state === 'healthy'
    ? 'good'
    : state === 'starting' || state === 'stopping'
      ? 'busy'
      : state === 'failed'
        ? 'bad'
        : 'wait'

export const Instances = ({ project, service, environment }: Place) => {
  const query = useQuery(instances(project))
  return (
    <Panel title={t.service.instances} isFlush>
      <Loaded query={query}>
        {(all) => {
          const mine = all.filter((one) => one.service === service && one.environment === environment)
          if (mine.length === 0) return <Empty>{t.service.noInstances}</Empty>
          return (
            <TableBox label={t.service.instances}>
              <thead>
                <tr>
                  <th>{t.service.instance}</th>
                  <th>{t.service.state}</th>
                  <th>{t.service.version}</th>
                  <th className="text-right!">{t.service.port}</th>
                  <th className="text-right!">{t.service.size}</th>
                  <th className="text-right!">{t.service.restarts}</th>
                  <th className="text-right!">{t.service.since}</th>
                </tr>
              </thead>
              <tbody>
                {mine.map(({ id, state, commit, port, memoryBytes, restarts, startedAt, lastProbe }) => (
                  <tr key={id}>
                    <Cell fold="title">
                      <Link
                        to="."
                        search={(before: object) => ({ ...before, tab: 'logs', instance: id })}
                        className="font-mono text-xs text-ink"
                      >
                        {id}
                      </Link>
                    </Cell>
                    <Cell fold="aside" title={lastProbe ?? undefined}>
                      <Badge tone={toneOf(state)}>{state}</Badge>
                    </Cell>
                    <Cell className="font-mono text-xs">{short(commit)}</Cell>
                    <Cell label={t.service.port} className="text-right">
                      {port}
                    </Cell>
                    <Cell label={t.service.size} className="text-right whitespace-nowrap">
                      {memoryBytes === null ? '–' : bytes(memoryBytes)}
                    </Cell>
                    <Cell label={t.service.restarts} className="text-right">
                      {restarts}
                    </Cell>
                    <Cell label={t.service.since} className="text-right text-soft">
                      <Time at={startedAt} />
                    </Cell>
                  </tr>
                ))}
              </tbody>
            </TableBox>
          )
        }}
      </Loaded>
    </Panel>
  )
}

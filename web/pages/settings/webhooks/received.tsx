import { useQuery } from '@tanstack/react-query'
import { received } from '../../../api/door-queries.ts'
import { t } from '../../../texts/en.ts'
import { Foreign } from '../../../ui/foreign.tsx'
import { Panel, Time } from '../../../ui/parts.tsx'
import { Empty, Loaded } from '../../../ui/states.tsx'
import { Cell, TableBox } from '../../../ui/table.tsx'

/** What other systems told of late, and what became of it. */
export const Received = ({ project }: { project: string }) => {
  const query = useQuery(received(project))
  return (
    <Panel title={t.door.received} isFlush>
      <Loaded query={query}>
        {(all) =>
          all.length === 0 ? (
            <Empty>{t.door.noReceived}</Empty>
          ) : (
            <TableBox label={t.door.received}>
              <thead>
                <tr>
                  <th>{t.door.source}</th>
                  <th>{t.door.event}</th>
                  <th>{t.door.about}</th>
                  <th>{t.door.became}</th>
                  <th className="text-right!">{t.door.when}</th>
                </tr>
              </thead>
              <tbody>
                {all.map(({ seq, source, type, about, facts, unplaced, at }) => (
                  <tr key={seq}>
                    <Cell fold="title" className="font-medium">
                      {source}
                    </Cell>
                    <Cell>
                      <Foreign className="font-mono text-xs">{type}</Foreign>
                    </Cell>
                    <Cell className="w-full max-w-80 min-w-32 truncate">
                      <Foreign>{about ?? '–'}</Foreign>
                    </Cell>
                    <Cell className="whitespace-nowrap">
                      {t.door.facts(facts)}
                      {unplaced.length > 0 && (
                        <span className="block text-xs text-wait">
                          <Foreign>{unplaced.slice(0, 5).join(', ')}</Foreign> {t.door.unplaced}
                        </span>
                      )}
                    </Cell>
                    <Cell fold="aside" className="text-right text-soft">
                      <Time at={at} />
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

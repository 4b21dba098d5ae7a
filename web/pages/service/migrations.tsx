import { useQuery } from '@tanstack/react-query'
import { type ReactNode, useState } from 'react'
import { type Migration, migrationLog, migrations, type Place } from '../../api/service-queries.ts'
import { t } from '../../texts/en.ts'
import { Dialog } from '../../ui/dialog.tsx'
import { Foreign } from '../../ui/foreign.tsx'
import { short, span } from '../../ui/format.ts'
import { Badge, Button, Panel, Pre, Time } from '../../ui/parts.tsx'
import { Empty, Loaded } from '../../ui/states.tsx'
import { ActionsHead, Cell, TableBox } from '../../ui/table.tsx'

/** What releases have done to the service's database in an environment, newest first; each with what it wrote. */
export const Migrations = ({ choice, ...place }: Place & { choice: ReactNode }) => {
  const query = useQuery(migrations(place))
  const [opened, setOpened] = useState<Migration | null>(null)
  const { columns } = t.service.migrations
  return (
    <Panel title={t.service.tabs.migrations} aside={choice} isFlush>
      <Loaded query={query}>
        {(all) =>
          all.length === 0 ? (
            <Empty>{t.service.migrations.none}</Empty>
          ) : (
            <TableBox label={t.service.tabs.migrations}>
              <thead>
                <tr>
                  <th>{t.service.outcome}</th>
                  <th>{t.service.version}</th>
                  <th>{columns.last}</th>
                  <th>{columns.destructive}</th>
                  <th className="text-right!">{columns.took}</th>
                  <th className="text-right!">{t.service.when}</th>
                  <ActionsHead />
                </tr>
              </thead>
              <tbody>
                {all.map((one) => (
                  <tr key={`${one.deployment} ${one.attempt}`}>
                    <Cell fold="aside">
                      <Badge tone={one.outcome === null ? 'busy' : one.outcome === 'succeeded' ? 'good' : 'bad'}>
                        {one.outcome ?? t.outcome.running}
                      </Badge>
                    </Cell>
                    <Cell fold="title" className="font-mono text-xs">
                      {short(one.commit)}
                    </Cell>
                    <Cell fold="line" className="w-full max-w-80 min-w-40 truncate text-soft">
                      <Foreign>{one.detail ?? one.lastLines.at(-1) ?? '–'}</Foreign>
                    </Cell>
                    <Cell label={columns.destructive}>
                      <Foreign>
                        {[...new Set(one.findings.map(({ statement }) => statement))].join(', ') || '–'}
                      </Foreign>
                    </Cell>
                    <Cell label={columns.took} className="text-right whitespace-nowrap">
                      {span(one.finishedAt === null ? null : one.finishedAt - one.startedAt)}
                    </Cell>
                    <Cell className="text-right text-soft">
                      <Time at={one.startedAt} />
                    </Cell>
                    <Cell fold="actions" className="text-right">
                      {one.outcome !== null && (
                        <Button
                          onClick={() => setOpened(one)}
                          aria-label={t.service.migrations.logOf(short(one.commit))}
                        >
                          {t.service.migrations.log}
                        </Button>
                      )}
                    </Cell>
                  </tr>
                ))}
              </tbody>
            </TableBox>
          )
        }
      </Loaded>
      {opened && <Log {...place} of={opened} close={() => setOpened(null)} />}
    </Panel>
  )
}

const Log = ({
  of: { deployment, attempt, commit },
  close,
  ...place
}: Place & { of: Migration; close: () => void }) => {
  const query = useQuery(migrationLog(place, deployment, attempt))
  return (
    <Dialog title={t.service.migrations.logOf(short(commit))} close={close} className="w-[min(60rem,calc(100vw-2rem))]">
      <div className="flex flex-col gap-4 px-5 pt-3 pb-5">
        <Loaded query={query}>
          {(text) => (
            <Pre className="max-h-[60vh] bg-sunk text-[0.8125rem]">
              {text === '' ? t.service.migrations.quiet : <Foreign>{text}</Foreign>}
            </Pre>
          )}
        </Loaded>
        <Button className="self-end" onClick={close}>
          {t.shell.close}
        </Button>
      </div>
    </Dialog>
  )
}

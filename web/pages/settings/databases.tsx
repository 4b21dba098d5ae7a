import { useQuery, useQueryClient } from '@tanstack/react-query'
import { useState } from 'react'
import { answer, api } from '../../api/client.ts'
import { type Database, databases } from '../../api/keep-queries.ts'
import { useMay } from '../../shell/role.ts'
import { t } from '../../texts/en.ts'
import { textOf } from '../../ui/act.ts'
import { Confirm, Made } from '../../ui/dialog.tsx'
import { Field } from '../../ui/form.tsx'
import { Badge, Button, Panel, Time } from '../../ui/parts.tsx'
import { Empty, Loaded } from '../../ui/states.tsx'
import { ActionsHead, Cell, TableBox } from '../../ui/table.tsx'

type Asked = { readonly what: 'commands' | 'remove'; readonly known: Database }

/** The services' databases; psql and dumps are a terminal's, so their commands are told. */
export const Databases = ({ project }: { project: string }) => {
  const query = useQuery(databases(project))
  const mayTouch = useMay('operator', project)
  const [asked, setAsked] = useState<Asked | null>(null)
  const close = (): void => setAsked(null)
  return (
    <Panel title={t.data.databases} isFlush>
      <Loaded query={query}>
        {(all) =>
          all.length === 0 ? (
            <Empty>{t.data.databasesNone}</Empty>
          ) : (
            <TableBox label={t.data.databases}>
              <thead>
                <tr>
                  <th>{t.data.service}</th>
                  <th>{t.data.environment}</th>
                  <th>{t.data.database}</th>
                  <th>
                    <span className="sr-only">{t.table.state}</span>
                  </th>
                  <th className="text-right!">{t.data.lastBackup}</th>
                  {mayTouch && <ActionsHead />}
                </tr>
              </thead>
              <tbody>
                {all.map((known) => (
                  <tr key={known.database}>
                    <Cell fold="title" className="font-medium">
                      {known.service}
                    </Cell>
                    <Cell>{known.environment}</Cell>
                    <Cell className="w-full min-w-40 font-mono text-xs">{known.database}</Cell>
                    <Cell fold="aside">
                      <Badge tone={known.inUse ? 'good' : 'calm'}>{known.inUse ? t.data.inUse : t.data.unused}</Badge>
                    </Cell>
                    <Cell label={t.data.lastBackup} className="text-right text-soft">
                      <Time at={known.lastBackupAt} />
                    </Cell>
                    {mayTouch && (
                      <Cell fold="actions" className="text-right whitespace-nowrap">
                        <span className="inline-flex gap-2">
                          {(known.inUse ? (['commands'] as const) : (['commands', 'remove'] as const)).map((what) => (
                            <Button
                              key={what}
                              onClick={() => setAsked({ what, known })}
                              aria-label={`${t.data[what]} ${known.service} ${known.environment}`}
                            >
                              {t.data[what]}
                            </Button>
                          ))}
                        </span>
                      </Cell>
                    )}
                  </tr>
                ))}
              </tbody>
            </TableBox>
          )
        }
      </Loaded>
      {asked?.what === 'commands' && <Commands project={project} known={asked.known} close={close} />}
      {asked?.what === 'remove' && <Remove project={project} known={asked.known} close={close} />}
    </Panel>
  )
}

type Props = { readonly project: string; readonly known: Database; readonly close: () => void }

const Commands = ({ project, known: { service, environment }, close }: Props) => {
  const command = (name: string): string =>
    `headway db ${name} ${service} --environment ${environment}${project === 'default' ? '' : ` --project ${project}`}`
  return (
    <Made
      title={t.data.commandsOf(service, environment)}
      parts={[
        { said: t.data.psql, text: command('psql') },
        { said: t.data.dump, text: command('dump') },
      ]}
      close={close}
    />
  )
}

/** Only of a service that is deployed no more, and only once it is named a second time. */
const Remove = ({ project, known: { service, environment }, close }: Props) => {
  const queries = useQueryClient()
  return (
    <Confirm
      title={t.data.removeTitle(service, environment)}
      detail={t.data.removeDetail}
      action={t.data.remove}
      isDangerous
      close={close}
      act={async (data) => {
        await answer(
          api.operate.projects[':project'].services[':service'].database.$delete({
            param: { project, service },
            query: { environment, confirm: textOf(data, 'confirm') },
          }),
        )
        await queries.invalidateQueries({ queryKey: ['databases'] })
      }}
    >
      <Field name="confirm" label={t.data.confirm(service)} required autoCapitalize="none" autoComplete="off" />
    </Confirm>
  )
}

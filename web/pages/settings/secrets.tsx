import { useQuery, useQueryClient } from '@tanstack/react-query'
import { useState } from 'react'
import { answer, api } from '../../api/client.ts'
import { environments } from '../../api/deployment-queries.ts'
import { type Setting, settings } from '../../api/queries.ts'
import { useMay } from '../../shell/role.ts'
import { t } from '../../texts/en.ts'
import { textOf } from '../../ui/act.ts'
import { Confirm } from '../../ui/dialog.tsx'
import { Foreign } from '../../ui/foreign.tsx'
import { Area, Field, Form, Select } from '../../ui/form.tsx'
import { Badge, Button, Panel, Time } from '../../ui/parts.tsx'
import { Empty, Loaded } from '../../ui/states.tsx'
import { ActionsHead, Cell, TableBox } from '../../ui/table.tsx'

const one = api.access.projects[':project'].settings[':name']
const kinds = ['secret', 'variable'] as const

/** Names of secrets and variables, never a value; set anew or removed by developers. */
export const SecretsTab = ({ project }: { project: string }) => {
  const query = useQuery(settings(project))
  const maySet = useMay('developer', project)
  const queries = useQueryClient()
  const [removed, setRemoved] = useState<Setting | null>(null)
  return (
    <div className="grid items-start gap-4 2xl:grid-cols-[minmax(0,1fr)_22rem]">
      <Panel title={t.secrets.title} isFlush>
        <p className="m-0 px-4 pb-3 text-soft">{t.secrets.detail}</p>
        <Loaded query={query}>
          {(all) =>
            all.length === 0 ? (
              <Empty>{t.secrets.none}</Empty>
            ) : (
              <TableBox label={t.secrets.title}>
                <thead>
                  <tr>
                    <th>{t.secrets.name}</th>
                    <th>
                      <span className="sr-only">{t.table.state}</span>
                    </th>
                    <th>{t.secrets.service}</th>
                    <th>{t.secrets.environment}</th>
                    <th className="text-right!">{t.secrets.set}</th>
                    {maySet && <ActionsHead />}
                  </tr>
                </thead>
                <tbody>
                  {all.map((setting) => (
                    <tr key={keyOf(setting)}>
                      <Cell fold="title" className="w-full min-w-40 font-mono text-xs">
                        <Foreign>{setting.name}</Foreign>
                      </Cell>
                      <Cell fold="aside">
                        <Badge tone="calm">{t.secrets.kind[setting.kind]}</Badge>
                      </Cell>
                      <Cell label={t.secrets.service}>
                        {setting.service ?? <span className="text-soft">{t.secrets.all}</span>}
                      </Cell>
                      <Cell label={t.secrets.environment}>
                        {setting.environment ?? <span className="text-soft">{t.secrets.all}</span>}
                      </Cell>
                      <Cell label={t.secrets.set} className="text-right text-soft">
                        <Time at={setting.setAt} />
                      </Cell>
                      {maySet && (
                        <Cell fold="actions" className="text-right">
                          <Button
                            onClick={() => setRemoved(setting)}
                            aria-label={`${t.secrets.remove} ${keyOf(setting)}`}
                          >
                            {t.secrets.remove}
                          </Button>
                        </Cell>
                      )}
                    </tr>
                  ))}
                </tbody>
              </TableBox>
            )
          }
        </Loaded>
      </Panel>
      {maySet && <Add project={project} />}
      {removed && (
        <Confirm
          title={t.secrets.removeTitle(removed.name)}
          detail={t.secrets.removeDetail}
          action={t.secrets.remove}
          isDangerous
          close={() => setRemoved(null)}
          act={async () => {
            const { name, service, environment } = removed
            const query = { ...(service === null ? {} : { service }), ...(environment === null ? {} : { environment }) }
            await answer(one.$delete({ param: { project, name }, query }))
            await queries.invalidateQueries({ queryKey: ['settings'] })
          }}
        />
      )}
    </div>
  )
}

const keyOf = ({ name, service, environment }: Setting): string =>
  [name, service, environment].filter((part) => part !== null).join(' ')

const Add = ({ project }: { project: string }) => {
  const { data: known = [] } = useQuery(environments(project))
  const queries = useQueryClient()
  return (
    <Panel title={t.secrets.add}>
      <Form
        action={t.secrets.set}
        done={t.secrets.added}
        autoComplete="off"
        send={async (data) => {
          const json = {
            value: String(data.get('value') ?? ''),
            kind: kinds.find((kind) => kind === textOf(data, 'kind')) ?? ('secret' as const),
            service: textOf(data, 'service') || null,
            environment: textOf(data, 'environment') || null,
          }
          await answer(one.$put({ param: { project, name: textOf(data, 'name') }, json }))
          await queries.invalidateQueries({ queryKey: ['settings'] })
        }}
      >
        <Field
          name="name"
          label={t.secrets.name}
          hint={t.secrets.nameHint}
          required
          maxLength={128}
          pattern="[A-Z_][A-Z0-9_]*"
          autoCapitalize="none"
        />
        <Select name="kind" label={t.secrets.kindLabel} options={kinds} names={t.secrets.kind} />
        <Area name="value" label={t.secrets.value} hint={t.secrets.valueHint} rows={3} isRequired />
        <Field name="service" label={t.secrets.service} placeholder={t.secrets.all} autoCapitalize="none" />
        <Select
          name="environment"
          label={t.secrets.environment}
          options={['', ...known.map(({ environment }) => environment)]}
          names={{ '': t.secrets.all }}
        />
      </Form>
    </Panel>
  )
}

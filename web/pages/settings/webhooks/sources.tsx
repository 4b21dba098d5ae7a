import { useQuery, useQueryClient } from '@tanstack/react-query'
import { useState } from 'react'
import { answer, api, base } from '../../../api/client.ts'
import { type Source, sources } from '../../../api/door-queries.ts'
import { t } from '../../../texts/en.ts'
import { textOf } from '../../../ui/act.ts'
import { Confirm } from '../../../ui/dialog.tsx'
import { Field, Form, NameField, Select } from '../../../ui/form.tsx'
import { Button, Panel } from '../../../ui/parts.tsx'
import { Empty, Loaded } from '../../../ui/states.tsx'
import { Cell, TableBox } from '../../../ui/table.tsx'
import type { Secret } from './tab.tsx'

const one = api.door.projects[':project']['event-sources'][':source']
const kinds: readonly Source['kind'][] = [
  ...(['github', 'gitlab', 'jenkins', 'argocd', 'flux'] as const),
  ...(['alertmanager', 'pagerduty', 'cdevents', 'plain'] as const),
]

/** The systems that tell of what they do. */
export const Sources = ({
  project,
  maySet,
  made,
}: {
  project: string
  maySet: boolean
  made: (made: Secret) => void
}) => {
  const query = useQuery(sources(project))
  const queries = useQueryClient()
  const [removed, setRemoved] = useState<string | null>(null)
  return (
    <div className="grid items-start gap-4 2xl:grid-cols-[minmax(0,1fr)_22rem]">
      <Panel title={t.door.incoming} isFlush>
        <p className="m-0 px-4 pb-3 text-soft">{t.door.incomingDetail}</p>
        <Loaded query={query}>
          {(all) =>
            all.length === 0 ? (
              <Empty>{t.door.noSources}</Empty>
            ) : (
              <TableBox label={t.door.incoming}>
                <thead>
                  <tr>
                    <th>{t.door.source}</th>
                    <th>{t.door.kind}</th>
                    <th>{t.door.place}</th>
                    <th>
                      <span className="sr-only">{t.table.actions}</span>
                    </th>
                  </tr>
                </thead>
                <tbody>
                  {all.map(({ source, kind, service, environment }) => (
                    <tr key={source}>
                      <Cell fold="title" className="font-medium">
                        {source}
                      </Cell>
                      <Cell>{kind}</Cell>
                      <Cell className="w-full min-w-32 text-soft">
                        {[service, environment].filter((name) => name !== null).join(', ') || t.door.asTold}
                      </Cell>
                      <Cell fold="actions" className="text-right">
                        {maySet && (
                          <Button onClick={() => setRemoved(source)} aria-label={`${t.door.remove} ${source}`}>
                            {t.door.remove}
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
      </Panel>
      {maySet && <Add project={project} made={made} />}
      {removed !== null && (
        <Confirm
          title={t.door.removeTitle(removed)}
          detail={t.door.removeSource}
          action={t.door.remove}
          isDangerous
          close={() => setRemoved(null)}
          act={async () => {
            await answer(one.$delete({ param: { project, source: removed } }))
            await queries.invalidateQueries({ queryKey: ['door'] })
          }}
        />
      )}
    </div>
  )
}

const Add = ({ project, made }: { project: string; made: (made: Secret) => void }) => {
  const queries = useQueryClient()
  return (
    <Panel title={t.door.addSource}>
      <Form
        action={t.door.add}
        send={async (data) => {
          const name = textOf(data, 'name')
          const kind = kinds.find((known) => known === textOf(data, 'kind')) ?? 'plain'
          const place = { service: textOf(data, 'service') || null, environment: textOf(data, 'environment') || null }
          const { secret } = await answer(one.$put({ param: { project, source: name }, json: { kind, ...place } }))
          made({ name, secret, hook: `${location.origin}${base}/hooks/${project}/${name}` })
          await queries.invalidateQueries({ queryKey: ['door'] })
        }}
      >
        <NameField />
        <Select name="kind" label={t.door.kind} options={kinds} />
        <Field name="service" label={t.door.service} placeholder={t.door.serviceHint} autoCapitalize="none" />
        <Field name="environment" label={t.door.environment} placeholder={t.door.serviceHint} autoCapitalize="none" />
      </Form>
    </Panel>
  )
}

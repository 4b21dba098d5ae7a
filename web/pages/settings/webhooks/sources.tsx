import { useQuery, useQueryClient } from '@tanstack/react-query'
import { useState } from 'react'
import { answer, api, base } from '../../../api/client.ts'
import { type Source, sources } from '../../../api/door-queries.ts'
import { Refusal } from '../../../api/refusal.ts'
import { t } from '../../../texts/en.ts'
import { textOf } from '../../../ui/act.ts'
import { Confirm } from '../../../ui/dialog.tsx'
import { Foreign } from '../../../ui/foreign.tsx'
import { Form, NameField } from '../../../ui/form.tsx'
import { Button, Panel } from '../../../ui/parts.tsx'
import { Empty, Loaded } from '../../../ui/states.tsx'
import { ActionsHead, Cell, TableBox } from '../../../ui/table.tsx'
import { SourceFields, sourceIn } from './source-fields.tsx'
import type { Secret } from './tab.tsx'

const one = api.door.projects[':project']['event-sources'][':source']

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
  const [changed, setChanged] = useState<Source | null>(null)
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
                    <ActionsHead />
                  </tr>
                </thead>
                <tbody>
                  {all.map((known) => (
                    <tr key={known.source}>
                      <Cell fold="title" className="font-medium">
                        {known.source}
                      </Cell>
                      <Cell>{known.kind}</Cell>
                      <Cell className="w-full min-w-32 text-soft">
                        <Foreign>{placesOf(known).join(', ') || t.door.asTold}</Foreign>
                      </Cell>
                      <Cell fold="actions" className="text-right">
                        {maySet && (
                          <span className="flex justify-end gap-2">
                            <Button onClick={() => setChanged(known)} aria-label={`${t.door.change} ${known.source}`}>
                              {t.door.change}
                            </Button>
                            <Button
                              onClick={() => setRemoved(known.source)}
                              aria-label={`${t.door.remove} ${known.source}`}
                            >
                              {t.door.remove}
                            </Button>
                          </span>
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
      {maySet && <Add project={project} known={query.data ?? []} made={made} />}
      {changed && <Change project={project} known={changed} close={() => setChanged(null)} />}
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

/** What belongs where: by the mappings first, then as a whole. */
const placesOf = ({ mappings, service, environment }: Source): string[] =>
  [...mappings.map((one) => `${one.match} = ${one.service}`), service, environment].filter((name) => name !== null)

type Props = { readonly project: string }

const Add = ({ project, known, made }: Props & { known: readonly Source[]; made: (made: Secret) => void }) => {
  const queries = useQueryClient()
  return (
    <Panel title={t.door.addSource}>
      <Form
        action={t.door.add}
        send={async (data) => {
          const name = textOf(data, 'name')
          if (known.some(({ source }) => source === name)) throw taken(name)
          const { secret } = await answer(one.$put({ param: { project, source: name }, json: sourceIn(data) }))
          made({ name, secret, hook: `${location.origin}${base}/hooks/${project}/${name}` })
          await queries.invalidateQueries({ queryKey: ['door'] })
        }}
      >
        <NameField />
        <SourceFields />
      </Form>
    </Panel>
  )
}

/** The same route makes and changes: what is there already must not be made anew by somebody who does not know of it. */
const taken = (name: string): Refusal =>
  new Refusal({
    ...{ kind: 'name-taken', status: 0, next: null, path: 'name' },
    detail: t.door.taken(name),
  })

/** It keeps its secret where none is said. */
const Change = ({ project, known, close }: Props & { known: Source; close: () => void }) => {
  const queries = useQueryClient()
  return (
    <Confirm
      title={t.door.changeTitle(known.source)}
      action={t.settings.save}
      close={close}
      act={async (data) => {
        await answer(one.$put({ param: { project, source: known.source }, json: sourceIn(data) }))
        await queries.invalidateQueries({ queryKey: ['door'] })
      }}
    >
      <SourceFields known={known} />
    </Confirm>
  )
}

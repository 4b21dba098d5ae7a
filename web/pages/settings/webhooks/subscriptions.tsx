import { useQuery, useQueryClient } from '@tanstack/react-query'
import { useState } from 'react'
import { answer, api, base } from '../../../api/client.ts'
import { type Subscription, subscriptions } from '../../../api/door-queries.ts'
import { t } from '../../../texts/en.ts'
import { textOf } from '../../../ui/act.ts'
import { Confirm } from '../../../ui/dialog.tsx'
import { Foreign } from '../../../ui/foreign.tsx'
import { Field, Form, NameField, wordsOf } from '../../../ui/form.tsx'
import { count } from '../../../ui/format.ts'
import { Badge, Button, Panel, Time } from '../../../ui/parts.tsx'
import { Empty, Loaded } from '../../../ui/states.tsx'
import { ActionsHead, Cell, TableBox } from '../../../ui/table.tsx'
import { Letters } from './letters.tsx'
import type { Secret } from './tab.tsx'

const one = api.door.projects[':project']['event-subscriptions'][':subscription']
type Asked = { readonly what: 'letters' | 'remove'; readonly name: string }

/** Who is told of what happens here, how far, and what they did not take. */
export const Subscriptions = ({
  project,
  maySet,
  made,
}: {
  project: string
  maySet: boolean
  made: (made: Secret) => void
}) => {
  const query = useQuery(subscriptions(project))
  const queries = useQueryClient()
  const [asked, setAsked] = useState<Asked | null>(null)
  const close = (): void => setAsked(null)
  return (
    <div className="grid items-start gap-4 2xl:grid-cols-[minmax(0,1fr)_22rem]">
      <Panel
        title={t.door.outgoing}
        isFlush
        aside={
          <a href={`${base}/projects/${project}/events`} download={`events-${project}.ndjson`} className="text-accent">
            {t.door.exported}
          </a>
        }
      >
        <p className="m-0 px-4 pb-3 text-soft">{t.door.outgoingDetail}</p>
        <Loaded query={query}>
          {(all) =>
            all.length === 0 ? (
              <Empty>{t.door.noSubscriptions}</Empty>
            ) : (
              <TableBox label={t.door.outgoing}>
                <thead>
                  <tr>
                    <th>{t.door.subscription}</th>
                    <th>{t.door.host}</th>
                    <th>{t.door.types}</th>
                    <th>{t.door.standing}</th>
                    <ActionsHead />
                  </tr>
                </thead>
                <tbody>
                  {all.map((known) => (
                    <tr key={known.subscription}>
                      <Cell fold="title" className="font-medium">
                        {known.subscription}
                      </Cell>
                      <Cell>
                        <Foreign>{known.host}</Foreign>
                      </Cell>
                      <Cell label={t.door.types} className="w-full min-w-40 text-soft">
                        <Foreign>{known.types.length === 0 ? t.door.allTypes : known.types.join(', ')}</Foreign>
                      </Cell>
                      <Cell fold="line" className="min-w-44">
                        <Standing of={known} />
                      </Cell>
                      <Cell fold="actions" className="text-right">
                        <span className="flex justify-end gap-2">
                          <Button onClick={() => setAsked({ what: 'letters', name: known.subscription })}>
                            {t.door.letters}
                          </Button>
                          {maySet && (
                            <Button
                              onClick={() => setAsked({ what: 'remove', name: known.subscription })}
                              aria-label={`${t.door.remove} ${known.subscription}`}
                            >
                              {t.door.remove}
                            </Button>
                          )}
                        </span>
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
      {asked?.what === 'letters' && (
        <Letters project={project} subscription={asked.name} maySet={maySet} close={close} />
      )}
      {asked?.what === 'remove' && (
        <Confirm
          title={t.door.removeTitle(asked.name)}
          detail={t.door.removeSubscription}
          action={t.door.remove}
          isDangerous
          close={close}
          act={async () => {
            await answer(one.$delete({ param: { project, subscription: asked.name } }))
            await queries.invalidateQueries({ queryKey: ['door'] })
          }}
        />
      )}
    </div>
  )
}

const Standing = ({ of: { seq, attempts, retryAt, detail, dead } }: { of: Subscription }) => (
  <span className="flex flex-col items-start gap-1">
    {attempts > 0 ? (
      <Badge tone="wait">
        {t.door.trying(count(attempts))} <Time at={retryAt} />
      </Badge>
    ) : (
      <Badge tone={dead > 0 ? 'bad' : 'good'}>
        {dead > 0 ? t.door.dead(count(dead)) : t.door.upToDate(count(seq))}
      </Badge>
    )}
    {attempts > 0 && dead > 0 && <Badge tone="bad">{t.door.dead(count(dead))}</Badge>}
    {detail !== null && <Foreign className="text-xs text-soft">{detail}</Foreign>}
  </span>
)

const Add = ({ project, made }: { project: string; made: (made: Secret) => void }) => {
  const queries = useQueryClient()
  return (
    <Panel title={t.door.addSubscription}>
      <Form
        action={t.door.add}
        send={async (data) => {
          const name = textOf(data, 'name')
          const [after, own] = [textOf(data, 'after'), textOf(data, 'secret')]
          const json = {
            ...{ url: textOf(data, 'url'), types: wordsOf(textOf(data, 'types')) },
            ...(after === '' ? {} : { after: Number(after) }),
            ...(own === '' ? {} : { secret: own }),
          }
          const { secret } = await answer(one.$put({ param: { project, subscription: name }, json }))
          // Who has said the secret knows it.
          if (secret !== null) made({ name, secret, hook: null })
          await queries.invalidateQueries({ queryKey: ['door'] })
        }}
      >
        <NameField />
        <Field name="url" label={t.door.url} type="url" required placeholder={t.door.urlHint} />
        <Field name="types" label={t.door.typesLabel} placeholder={t.door.typesHint} autoCapitalize="none" />
        <details>
          <summary className="py-1 text-accent">{t.door.more}</summary>
          <div className="flex flex-col gap-4 pt-2">
            <Field name="after" label={t.door.after} hint={t.door.afterHint} type="number" min={0} />
            <Field
              name="secret"
              label={t.door.signSecret}
              hint={t.door.ownSecretHint}
              type="password"
              minLength={16}
              maxLength={500}
              autoComplete="off"
            />
          </div>
        </details>
        <p className="m-0 text-xs text-soft">{t.door.anew}</p>
      </Form>
    </Panel>
  )
}

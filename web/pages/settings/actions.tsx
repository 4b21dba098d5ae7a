import { useQuery, useQueryClient } from '@tanstack/react-query'
import { useState } from 'react'
import { answer, api } from '../../api/client.ts'
import { actions, type MirroredAction, type Upstream } from '../../api/queries.ts'
import { useMay } from '../../shell/role.ts'
import { t } from '../../texts/en.ts'
import { textOf, useAct } from '../../ui/act.ts'
import { Confirm } from '../../ui/dialog.tsx'
import { Foreign } from '../../ui/foreign.tsx'
import { Field, Form, wordsOf } from '../../ui/form.tsx'
import { Button, Panel, Time } from '../../ui/parts.tsx'
import { Empty, Loaded, Refused } from '../../ui/states.tsx'
import { ActionsHead, Cell, TableBox } from '../../ui/table.tsx'

const one = api.actions.actions[':owner'][':repository']
const paramOf = (name: string) => {
  const [owner = '', repository = ''] = name.split('/')
  return { owner, repository }
}
const shown = 6

/** The actions of others that workflows here may use: those that were brought, and from where more may come. */
export const ActionsTab = () => {
  const query = useQuery(actions())
  const maySet = useMay('administrator')
  return (
    <div className="grid items-start gap-4 2xl:grid-cols-[minmax(0,1fr)_22rem]">
      <Panel title={t.secrets.actions} isFlush>
        <p className="m-0 px-4 pb-3 text-soft">{t.secrets.actionsDetail}</p>
        <Loaded query={query}>
          {({ actions: all }) =>
            all.length === 0 ? <Empty>{t.secrets.noActions}</Empty> : <ActionTable all={all} maySet={maySet} />
          }
        </Loaded>
      </Panel>
      {maySet && (
        <div className="flex min-w-0 flex-col gap-4">
          <Bring />
          {query.data && <From upstream={query.data.upstream} />}
        </div>
      )}
    </div>
  )
}

const ActionTable = ({ all, maySet }: { all: readonly MirroredAction[]; maySet: boolean }) => {
  const queries = useQueryClient()
  const { act, isWorking, refusal } = useAct()
  const [removed, setRemoved] = useState<string | null>(null)
  const changed = () => queries.invalidateQueries({ queryKey: ['actions'] })
  return (
    <>
      <Refused refusal={refusal} />
      <TableBox label={t.secrets.actions}>
        <thead>
          <tr>
            <th>{t.secrets.action}</th>
            <th>{t.secrets.versions}</th>
            <th>{t.secrets.from}</th>
            <th className="text-right!">{t.secrets.brought}</th>
            {maySet && <ActionsHead />}
          </tr>
        </thead>
        <tbody>
          {all.map(({ name, versions, from, at }) => (
            <tr key={name}>
              <Cell fold="title" className="font-medium">
                <Foreign>{name}</Foreign>
              </Cell>
              <Cell label={t.secrets.versions} className="min-w-40 text-soft">
                <Foreign>{versions.slice(0, shown).join(', ')}</Foreign> {versions.length > shown && t.secrets.more}
              </Cell>
              <Cell label={t.secrets.from} className="w-full min-w-40 break-all text-soft">
                <Foreign>{from ?? '–'}</Foreign>
              </Cell>
              <Cell className="text-right text-soft">
                <Time at={at} />
              </Cell>
              {maySet && (
                <Cell fold="actions">
                  <span className="flex justify-end gap-2">
                    <Button
                      disabled={isWorking}
                      aria-label={`${t.secrets.again}: ${name}`}
                      onClick={() =>
                        void act(async () => {
                          await answer(one.$put({ param: paramOf(name), json: { from } }))
                          await changed()
                        })
                      }
                    >
                      {t.secrets.again}
                    </Button>
                    <Button onClick={() => setRemoved(name)} aria-label={`${t.secrets.remove} ${name}`}>
                      {t.secrets.remove}
                    </Button>
                  </span>
                </Cell>
              )}
            </tr>
          ))}
        </tbody>
      </TableBox>
      {removed !== null && (
        <Confirm
          title={t.secrets.removeAction(removed)}
          detail={t.secrets.removeActionDetail}
          action={t.secrets.remove}
          isDangerous
          close={() => setRemoved(null)}
          act={async () => {
            await answer(one.$delete({ param: paramOf(removed) }))
            await changed()
          }}
        />
      )}
    </>
  )
}

const Bring = () => {
  const queries = useQueryClient()
  return (
    <Panel title={t.secrets.bring}>
      <Form
        action={t.secrets.bringAction}
        done={t.secrets.broughtDone}
        send={async (data) => {
          const json = { from: textOf(data, 'from') || null, ref: textOf(data, 'ref') || null }
          await answer(one.$put({ param: paramOf(textOf(data, 'action')), json }))
          await queries.invalidateQueries({ queryKey: ['actions'] })
        }}
      >
        <Field
          name="action"
          label={t.secrets.action}
          required
          pattern="[A-Za-z0-9\-]+/[A-Za-z0-9._\-]+"
          placeholder={t.secrets.bringHint}
          title={t.secrets.bringHint}
          autoCapitalize="none"
        />
        <Field name="ref" label={t.secrets.ref} maxLength={200} autoCapitalize="none" />
        <Field
          name="from"
          label={t.secrets.source}
          hint={t.secrets.sourceHint}
          maxLength={1000}
          autoCapitalize="none"
        />
      </Form>
    </Panel>
  )
}

const From = ({ upstream: { url, allowed } }: { upstream: Upstream }) => {
  const queries = useQueryClient()
  return (
    <Panel title={t.secrets.upstream}>
      <p className="m-0 mb-4 text-soft">{t.secrets.upstreamDetail}</p>
      <Form
        key={JSON.stringify([url, allowed])}
        action={t.settings.save}
        send={async (data) => {
          const said = textOf(data, 'url') || null
          const json = { url: said, allowed: said === null ? [] : wordsOf(textOf(data, 'allowed')) }
          await answer(api.actions.actions.upstream.$put({ json }))
          await queries.invalidateQueries({ queryKey: ['actions'] })
        }}
      >
        <Field name="url" label={t.secrets.upstreamUrl} type="url" defaultValue={url ?? ''} />
        <Field
          name="allowed"
          label={t.secrets.upstreamAllowed}
          hint={t.secrets.upstreamHint}
          defaultValue={allowed.join(', ')}
          autoCapitalize="none"
        />
      </Form>
    </Panel>
  )
}

import { useQuery, useQueryClient } from '@tanstack/react-query'
import { answer, api } from '../../api/client.ts'
import { addPasskey, byName, hasPasskeys } from '../../api/passkey.ts'
import { passkeys } from '../../api/queries.ts'
import { t } from '../../texts/en.ts'
import { textOf, useAct } from '../../ui/act.ts'
import { Foreign } from '../../ui/foreign.tsx'
import { Field, Form } from '../../ui/form.tsx'
import { Button, Panel, Time } from '../../ui/parts.tsx'
import { Failed, Loaded } from '../../ui/states.tsx'

/** One's own passkeys: add one on this device, or revoke one that is lost. */
export const Passkeys = () => {
  const query = useQuery(passkeys())
  const queries = useQueryClient()
  const { act, isWorking, refusal } = useAct()
  const revoke = (passkey: string) =>
    act(async () => {
      await answer(api.passkeys.passkeys[':passkey'].$delete({ param: { passkey } }))
      await queries.invalidateQueries()
    })
  return (
    <Panel title={t.passkeys.title}>
      {refusal && <Failed error={refusal} />}
      <Loaded query={query}>
        {(all) =>
          all.length === 0 ? (
            <p className="m-0 mb-4 text-soft">{t.passkeys.none}</p>
          ) : (
            <ul className="m-0 mb-4 flex list-none flex-col gap-3 p-0">
              {all.map(({ passkey, name, host, usedAt }) => (
                <li key={passkey} className="flex items-center justify-between gap-3">
                  <span className="min-w-0">
                    <Foreign className="block truncate font-medium">{name}</Foreign>
                    <span className="block text-xs text-soft">
                      {host} · {usedAt === null ? t.passkeys.unused : <Time at={usedAt} />}
                    </span>
                  </span>
                  <Button kind="danger" disabled={isWorking} onClick={() => void revoke(passkey)}>
                    {t.settings.revoke}
                  </Button>
                </li>
              ))}
            </ul>
          )
        }
      </Loaded>
      {hasPasskeys() ? (
        <Form
          action={t.passkeys.add}
          kind="plain"
          send={async (data) => {
            await addPasskey(textOf(data, 'name'))
            await queries.invalidateQueries({ queryKey: ['passkeys'] })
          }}
        >
          <Field name="name" label={t.passkeys.name} required maxLength={60} placeholder={t.passkeys.nameHint} />
        </Form>
      ) : (
        <Elsewhere />
      )}
    </Panel>
  )
}

const Elsewhere = () => {
  const named = byName()
  return (
    <p className="m-0 text-soft">
      {t.passkeys.notHere}{' '}
      {named && (
        <a href={named} className="text-accent underline">
          {t.passkeys.byName}
        </a>
      )}
    </p>
  )
}

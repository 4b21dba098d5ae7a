import { useQuery, useQueryClient } from '@tanstack/react-query'
import { useState } from 'react'
import { answer, api } from '../../api/client.ts'
import { addPasskey, byName, hasPasskeys } from '../../api/passkey.ts'
import { passkeys } from '../../api/queries.ts'
import { t } from '../../texts/en.ts'
import { textOf } from '../../ui/act.ts'
import { Confirm } from '../../ui/dialog.tsx'
import { Foreign } from '../../ui/foreign.tsx'
import { Field, Form } from '../../ui/form.tsx'
import { Button, Panel, Time } from '../../ui/parts.tsx'
import { Loaded } from '../../ui/states.tsx'

/** One's own passkeys: add one on this device, or revoke one that is lost. `isByPasskey`: one of them has opened this very session. */
export const Passkeys = ({ isByPasskey }: { isByPasskey: boolean }) => {
  const query = useQuery(passkeys())
  const queries = useQueryClient()
  const [revoked, setRevoked] = useState<{ passkey: string; name: string } | null>(null)
  return (
    <Panel title={t.passkeys.title}>
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
                  <Button
                    kind="danger"
                    onClick={() => setRevoked({ passkey, name })}
                    aria-label={`${t.settings.revoke} ${name}`}
                  >
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
      {revoked && (
        <Confirm
          title={t.passkeys.revokeTitle(revoked.name)}
          detail={`${t.passkeys.revokeDetail}${isByPasskey ? ` ${t.passkeys.revokeThisDetail}` : ''}`}
          action={t.settings.revoke}
          isDangerous
          close={() => setRevoked(null)}
          act={async () => {
            await answer(api.passkeys.passkeys[':passkey'].$delete({ param: { passkey: revoked.passkey } }))
            await queries.invalidateQueries()
          }}
        />
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

import { useQuery, useQueryClient } from '@tanstack/react-query'
import { useState } from 'react'
import { answer, api } from '../../api/client.ts'
import { tokens, whoAmI } from '../../api/queries.ts'
import { useMay } from '../../shell/role.ts'
import { t } from '../../texts/en.ts'
import { textOf, useAct } from '../../ui/act.ts'
import { Dialog } from '../../ui/dialog.tsx'
import { Foreign } from '../../ui/foreign.tsx'
import { Badge, Button, Command, inputShape, Panel, Time, useNow } from '../../ui/parts.tsx'
import { Empty, Failed, Loaded } from '../../ui/states.tsx'
import { TableBox } from '../../ui/tabs.tsx'
import { RoleSelect, roleNamed } from './role-select.tsx'

const dayMs = 86_400_000
const lifetimes = [30, 90, 365, 0] as const

/** Tokens for programs: those there are, and a new one, which is shown once. */
export const TokensTab = ({ project }: { project: string }) => {
  const isAdministrator = useMay('administrator')
  const { data: everywhere } = useQuery(whoAmI())
  const { data: here } = useQuery(whoAmI(project))
  // Whoever has a role in a project alone has tokens for that project alone.
  const scope = everywhere?.role == null ? project : undefined
  const query = useQuery(tokens(isAdministrator))
  const queries = useQueryClient()
  const now = useNow(60_000)
  const { act, isWorking, refusal } = useAct()
  const [secret, setSecret] = useState<string | null>(null)
  const revoke = (token: string) =>
    act(async () => {
      await answer(api.access.tokens[':token'].$delete({ param: { token } }))
      await queries.invalidateQueries({ queryKey: ['tokens'] })
    })
  return (
    <div className="grid items-start gap-4 xl:grid-cols-[minmax(0,1fr)_22rem]">
      <Panel title={t.settings.tabs.tokens} isFlush>
        {refusal && <Failed error={refusal} />}
        <Loaded query={query}>
          {(all) =>
            all.length === 0 ? (
              <Empty>{t.settings.noTokens}</Empty>
            ) : (
              <TableBox label={t.settings.tabs.tokens}>
                <thead>
                  <tr>
                    <th>{t.settings.name}</th>
                    <th>{t.settings.role}</th>
                    <th>
                      <span className="sr-only">{t.table.state}</span>
                    </th>
                    <th className="text-right!">{t.settings.issued}</th>
                    <th className="text-right!">{t.settings.expires}</th>
                    <th>
                      <span className="sr-only">{t.table.actions}</span>
                    </th>
                  </tr>
                </thead>
                <tbody>
                  {all.toReversed().map(({ token, user, name, scope, issuedAt, expiresAt, revokedAt }) => {
                    const isExpired = expiresAt !== null && expiresAt <= now
                    const isGood = revokedAt === null && !isExpired
                    return (
                      <tr key={token}>
                        <td className="w-full min-w-32">
                          <Foreign className="font-medium">{name}</Foreign> <span className="text-soft">{user}</span>
                        </td>
                        <td className="whitespace-nowrap">
                          {t.settings.inProject(t.roles[scope.role], scope.project)}
                        </td>
                        <td>
                          <Badge tone={isGood ? 'good' : 'calm'}>
                            {isGood ? t.settings.active : isExpired ? t.settings.expired : t.settings.revokedState}
                          </Badge>
                        </td>
                        <td className="text-right text-soft">
                          <Time at={issuedAt} />
                        </td>
                        <td className="text-right text-soft">
                          <Time at={expiresAt} />
                        </td>
                        <td className="text-right">
                          {isGood && (
                            <Button onClick={() => void revoke(token)} aria-label={`${t.settings.revoke} ${name}`}>
                              {t.settings.revoke}
                            </Button>
                          )}
                        </td>
                      </tr>
                    )
                  })}
                </tbody>
              </TableBox>
            )
          }
        </Loaded>
      </Panel>
      <Panel title={t.settings.newToken}>
        <form
          className="flex flex-col gap-4"
          onSubmit={(event) => {
            event.preventDefault()
            const form = event.currentTarget
            const data = new FormData(form)
            void act(async () => {
              const days = Number(data.get('days'))
              const issued = await answer(
                api.access.tokens.$post({
                  json: {
                    name: textOf(data, 'name'),
                    role: roleNamed(textOf(data, 'role')),
                    ...(scope === undefined ? {} : { project: scope }),
                    expiresAt: days === 0 ? null : Date.now() + days * dayMs,
                  },
                }),
              )
              setSecret(issued.secret)
              form.reset()
              await queries.invalidateQueries({ queryKey: ['tokens'] })
            })
          }}
        >
          <label className="flex flex-col gap-1">
            {t.settings.name}
            <input name="name" required pattern="[A-Za-z0-9][A-Za-z0-9._\-]*" maxLength={60} className={inputShape} />
          </label>
          <RoleSelect key={here?.role} most={here?.role ?? 'viewer'} />
          <label className="flex flex-col gap-1">
            {t.settings.expires}
            <select name="days" className={inputShape}>
              {lifetimes.map((days) => (
                <option key={days} value={days}>
                  {t.settings.days(days)}
                </option>
              ))}
            </select>
          </label>
          <Button type="submit" kind="primary" disabled={isWorking}>
            {t.settings.create}
          </Button>
        </form>
      </Panel>
      {secret !== null && (
        <Dialog title={t.settings.newToken} close={() => setSecret(null)}>
          <div className="flex flex-col gap-3 px-5 pt-2 pb-5">
            <p className="m-0">{t.settings.secret}</p>
            <Command text={secret} />
            <Button className="self-end" onClick={() => setSecret(null)}>
              {t.shell.close}
            </Button>
          </div>
        </Dialog>
      )}
    </div>
  )
}

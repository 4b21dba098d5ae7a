import { useQuery, useQueryClient } from '@tanstack/react-query'
import { useState } from 'react'
import { answer, api } from '../../api/client.ts'
import { tokens, whoAmI } from '../../api/queries.ts'
import { useMay } from '../../shell/role.ts'
import { t } from '../../texts/en.ts'
import { textOf, useAct } from '../../ui/act.ts'
import { Made } from '../../ui/dialog.tsx'
import { Foreign } from '../../ui/foreign.tsx'
import { Form, NameField, Select } from '../../ui/form.tsx'
import { Badge, Button, Panel, Time, useNow } from '../../ui/parts.tsx'
import { Empty, Failed, Loaded } from '../../ui/states.tsx'
import { Cell, TableBox } from '../../ui/table.tsx'
import { RoleSelect, roleNamed } from './role-select.tsx'

const dayMs = 86_400_000
const lifetimes = ['30', '90', '365', '0'] as const
const lifetimeNames = Object.fromEntries(lifetimes.map((days) => [days, t.settings.days(Number(days))]))

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
  const { act, refusal } = useAct()
  const [secret, setSecret] = useState<string | null>(null)
  const revoke = (token: string) =>
    act(async () => {
      await answer(api.access.tokens[':token'].$delete({ param: { token } }))
      await queries.invalidateQueries({ queryKey: ['tokens'] })
    })
  return (
    <div className="grid items-start gap-4 2xl:grid-cols-[minmax(0,1fr)_22rem]">
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
                        <Cell fold="title" className="w-full min-w-32">
                          <Foreign className="font-medium">{name}</Foreign> <span className="text-soft">{user}</span>
                        </Cell>
                        <Cell className="whitespace-nowrap">
                          {t.settings.inProject(t.roles[scope.role], scope.project)}
                        </Cell>
                        <Cell fold="aside">
                          <Badge tone={isGood ? 'good' : 'calm'}>
                            {isGood ? t.settings.active : isExpired ? t.settings.expired : t.settings.revokedState}
                          </Badge>
                        </Cell>
                        <Cell label={t.settings.issued} className="text-right text-soft">
                          <Time at={issuedAt} />
                        </Cell>
                        <Cell label={t.settings.expires} className="text-right text-soft">
                          <Time at={expiresAt} />
                        </Cell>
                        <Cell fold="actions" className="text-right">
                          {isGood && (
                            <Button onClick={() => void revoke(token)} aria-label={`${t.settings.revoke} ${name}`}>
                              {t.settings.revoke}
                            </Button>
                          )}
                        </Cell>
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
        <Form
          action={t.settings.create}
          send={async (data) => {
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
            await queries.invalidateQueries({ queryKey: ['tokens'] })
          }}
        >
          <NameField pattern="[A-Za-z0-9][A-Za-z0-9._\-]*" />
          <RoleSelect key={here?.role} most={here?.role ?? 'viewer'} />
          <Select name="days" label={t.settings.expires} options={lifetimes} names={lifetimeNames} />
        </Form>
      </Panel>
      {secret !== null && (
        <Made
          title={t.settings.newToken}
          parts={[{ said: t.settings.secret, text: secret }]}
          close={() => setSecret(null)}
        />
      )}
    </div>
  )
}

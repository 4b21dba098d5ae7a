import { useQuery, useQueryClient } from '@tanstack/react-query'
import { useState } from 'react'
import { answer, api } from '../../api/client.ts'
import { projects, tokens, users, whoAmI } from '../../api/queries.ts'
import { type Role, useMay } from '../../shell/role.ts'
import { t } from '../../texts/en.ts'
import { textOf } from '../../ui/act.ts'
import { Confirm, Made } from '../../ui/dialog.tsx'
import { Foreign } from '../../ui/foreign.tsx'
import { Form, NameField, Select } from '../../ui/form.tsx'
import { Badge, Button, Panel, Time, useNow } from '../../ui/parts.tsx'
import { Empty, Loaded } from '../../ui/states.tsx'
import { ActionsHead, Cell, TableBox } from '../../ui/table.tsx'
import { RoleSelect, roleNamed } from './role-select.tsx'

const dayMs = 86_400_000
const lifetimes = ['30', '90', '365', '7', '1', '0'] as const
const lifetimeNames = Object.fromEntries(lifetimes.map((days) => [days, t.settings.days(Number(days))]))

/** Tokens for programs: those there are, and a new one, which is shown once. */
export const TokensTab = ({ project }: { project: string }) => {
  const isAdministrator = useMay('administrator')
  const query = useQuery(tokens(isAdministrator))
  const queries = useQueryClient()
  const now = useNow(60_000)
  const [secret, setSecret] = useState<string | null>(null)
  const [revoked, setRevoked] = useState<{ token: string; name: string } | null>(null)
  return (
    <div className="grid items-start gap-4 2xl:grid-cols-[minmax(0,1fr)_22rem]">
      <Panel title={t.settings.tabs.tokens} isFlush>
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
                    <ActionsHead />
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
                          {isGood && <Revoke name={name} scope={scope} revoke={() => setRevoked({ token, name })} />}
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
      <NewToken project={project} made={setSecret} />
      {secret !== null && (
        <Made
          title={t.settings.newToken}
          parts={[{ said: t.settings.secret, text: secret }]}
          close={() => setSecret(null)}
        />
      )}
      {revoked && (
        <Confirm
          title={t.settings.revokeToken(revoked.name)}
          detail={t.settings.revokeTokenDetail}
          action={t.settings.revoke}
          isDangerous
          close={() => setRevoked(null)}
          act={async () => {
            await answer(api.access.tokens[':token'].$delete({ param: { token: revoked.token } }))
            await queries.invalidateQueries({ queryKey: ['tokens'] })
          }}
        />
      )}
    </div>
  )
}

type Scope = { readonly role: Role; readonly project: string | null }

/** Nobody ends what may do more than he, such as who has signed in with a token for less. */
const Revoke = ({ name, scope, revoke }: { name: string; scope: Scope; revoke: () => void }) => {
  const isAdministrator = useMay('administrator')
  const mayAsMuch = useMay(scope.role, scope.project ?? undefined)
  if (!isAdministrator && !mayAsMuch) return null
  return (
    <Button onClick={revoke} aria-label={`${t.settings.revoke} ${name}`}>
      {t.settings.revoke}
    </Button>
  )
}

/** A token for what whoever asks may do: in a project or, where that is so, everywhere; for somebody else by an administrator. */
const NewToken = ({ project, made }: { project: string; made: (secret: string) => void }) => {
  const { data: everywhere } = useQuery(whoAmI())
  const { data: known = [] } = useQuery(projects())
  const isAdministrator = everywhere?.role === 'administrator'
  const reachesAll = everywhere?.role != null
  const names = [...new Set([project, ...known])]
  const [chosen, setChosen] = useState<string | null>(null)
  // Whoever has a role in a project alone has tokens for that project alone.
  const where = chosen ?? (reachesAll ? '' : project)
  const { data: there } = useQuery(whoAmI(where || undefined))
  const queries = useQueryClient()
  return (
    <Panel title={t.settings.newToken}>
      <Form
        action={t.settings.create}
        send={async (data) => {
          const days = Number(data.get('days'))
          const user = textOf(data, 'user')
          const issued = await answer(
            api.access.tokens.$post({
              json: {
                name: textOf(data, 'name'),
                role: roleNamed(textOf(data, 'role')),
                ...(where === '' ? {} : { project: where }),
                ...(user === '' ? {} : { user }),
                expiresAt: days === 0 ? null : Date.now() + days * dayMs,
              },
            }),
          )
          made(issued.secret)
          await queries.invalidateQueries({ queryKey: ['tokens'] })
        }}
      >
        <NameField pattern="[A-Za-z0-9][A-Za-z0-9._\-]*" />
        {isAdministrator && <ForUser me={everywhere.user} />}
        <RoleSelect key={there?.role} most={there?.role ?? 'viewer'} />
        <Select
          name="where"
          label={t.shell.project}
          value={where}
          options={reachesAll ? ['', ...names] : names}
          names={{ '': t.settings.everywhere }}
          choose={setChosen}
        />
        <Select name="days" label={t.settings.expires} options={lifetimes} names={lifetimeNames} />
      </Form>
    </Panel>
  )
}

const ForUser = ({ me }: { me: string }) => {
  const { data: all = [] } = useQuery(users())
  const others = all.map(({ user }) => user).filter((user) => user !== me)
  return <Select name="user" label={t.settings.tokenUser} value={me} options={[me, ...others]} />
}

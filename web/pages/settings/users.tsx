import { useQuery, useQueryClient } from '@tanstack/react-query'
import { useState } from 'react'
import { answer, api } from '../../api/client.ts'
import { users } from '../../api/queries.ts'
import { t } from '../../texts/en.ts'
import { textOf, useAct } from '../../ui/act.ts'
import { Made } from '../../ui/dialog.tsx'
import { Form, NameField, Select } from '../../ui/form.tsx'
import { Button, Panel, Time } from '../../ui/parts.tsx'
import { Failed, Loaded } from '../../ui/states.tsx'
import { ActionsHead, Cell, TableBox } from '../../ui/table.tsx'
import { RoleSelect, roleNamed } from './role-select.tsx'
import { Roles } from './roles.tsx'

type Invited = { readonly user: string; readonly link: string }

/** Everybody and their roles; a new one, and an invitation with which one chooses a password. */
export const UsersTab = ({ project }: { project: string }) => {
  const query = useQuery(users())
  const queries = useQueryClient()
  const { act, refusal } = useAct()
  const [invited, setInvited] = useState<Invited | null>(null)
  const [edited, setEdited] = useState<string | null>(null)
  const subject = query.data?.find(({ user }) => user === edited)
  const invite = (user: string) =>
    act(async () => {
      const { code } = await answer(api.session.users[':user'].invitation.$post({ param: { user } }))
      setInvited({ user, link: `${location.origin}/sign-in#invitation=${code}` })
    })
  return (
    <div className="grid items-start gap-4 2xl:grid-cols-[minmax(0,1fr)_22rem]">
      <Panel title={t.settings.tabs.users} isFlush>
        {refusal && <Failed error={refusal} />}
        <Loaded query={query}>
          {(all) => (
            <TableBox label={t.settings.tabs.users}>
              <thead>
                <tr>
                  <th>{t.settings.user}</th>
                  <th>{t.settings.members}</th>
                  <th className="text-right!">{t.settings.since}</th>
                  <ActionsHead />
                </tr>
              </thead>
              <tbody>
                {all.map(({ user, grants, createdAt }) => (
                  <tr key={user}>
                    <Cell fold="title" className="font-medium">
                      {user}
                    </Cell>
                    <Cell className="w-full min-w-40">
                      {grants.length === 0
                        ? t.settings.noRole
                        : grants.map((grant) => t.settings.inProject(t.roles[grant.role], grant.project)).join(', ')}
                    </Cell>
                    <Cell label={t.settings.since} className="text-right text-soft">
                      <Time at={createdAt} />
                    </Cell>
                    <Cell fold="actions" className="text-right">
                      <span className="flex justify-end gap-2">
                        <Button onClick={() => setEdited(user)} aria-label={`${t.settings.members} ${user}`}>
                          {t.settings.members}
                        </Button>
                        <Button onClick={() => void invite(user)} aria-label={`${t.settings.invite} ${user}`}>
                          {t.settings.invite}
                        </Button>
                      </span>
                    </Cell>
                  </tr>
                ))}
              </tbody>
            </TableBox>
          )}
        </Loaded>
      </Panel>
      <Panel title={t.settings.addUser}>
        <Form
          action={t.settings.add}
          send={async (data) => {
            const where = textOf(data, 'where') === '' ? null : project
            await answer(
              api.access.users.$post({
                json: { user: textOf(data, 'user'), role: roleNamed(textOf(data, 'role')), project: where },
              }),
            )
            await queries.invalidateQueries({ queryKey: ['users'] })
          }}
        >
          <NameField name="user" pattern="[a-z][a-z0-9]*([._\-][a-z0-9]+)*" />
          <RoleSelect />
          <Select name="where" label={t.shell.project} options={[project, '']} names={{ '': t.settings.everywhere }} />
        </Form>
      </Panel>
      {subject && <Roles user={subject} project={project} close={() => setEdited(null)} />}
      {invited && (
        <Made
          title={t.settings.invite}
          parts={[{ said: t.settings.invitation(invited.user), text: invited.link }]}
          close={() => setInvited(null)}
        />
      )}
    </div>
  )
}

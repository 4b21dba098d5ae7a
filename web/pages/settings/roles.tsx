import { useQuery, useQueryClient } from '@tanstack/react-query'
import { answer, api } from '../../api/client.ts'
import { projects, type User } from '../../api/queries.ts'
import { t } from '../../texts/en.ts'
import { textOf, useAct } from '../../ui/act.ts'
import { Dialog } from '../../ui/dialog.tsx'
import { Form, Select } from '../../ui/form.tsx'
import { Button } from '../../ui/parts.tsx'
import { Failed } from '../../ui/states.tsx'
import { RoleSelect, roleNamed } from './role-select.tsx'

const { users, projects: inProjects } = api.access

/** The roles of a user, one in the whole instance and one in each project: given, changed and taken. */
export const Roles = ({ user, project, close }: { user: User; project: string; close: () => void }) => {
  const { data: known = [] } = useQuery(projects())
  const queries = useQueryClient()
  const { act, isWorking, refusal } = useAct()
  const changed = async (): Promise<void> => {
    for (const key of ['users', 'me']) await queries.invalidateQueries({ queryKey: [key] })
  }
  const take = (where: string | null): Promise<unknown> =>
    where === null
      ? answer(users[':user'].role.$delete({ param: { user: user.user } }))
      : answer(inProjects[':project'].members[':user'].$delete({ param: { project: where, user: user.user } }))
  const give = (where: string | null, role: string): Promise<unknown> => {
    const json = { role: roleNamed(role) }
    return where === null
      ? answer(users[':user'].role.$put({ param: { user: user.user }, json }))
      : answer(inProjects[':project'].members[':user'].$put({ param: { project: where, user: user.user }, json }))
  }
  return (
    <Dialog title={t.settings.rolesOf(user.user)} close={close}>
      <div className="flex flex-col gap-4 px-5 pt-3 pb-5">
        {user.grants.length === 0 ? (
          <p className="m-0 text-soft">{t.settings.noRole}</p>
        ) : (
          <ul className="m-0 flex list-none flex-col gap-2 p-0">
            {user.grants.map((grant) => {
              const said = t.settings.inProject(t.roles[grant.role], grant.project)
              return (
                <li key={grant.project ?? ''} className="flex items-center justify-between gap-3">
                  {said}
                  <Button
                    disabled={isWorking}
                    onClick={() => void act(async () => take(grant.project).then(changed))}
                    aria-label={`${t.settings.take} ${said}`}
                  >
                    {t.settings.take}
                  </Button>
                </li>
              )
            })}
          </ul>
        )}
        <Form
          action={t.settings.give}
          className="grid items-end gap-3 border-t border-line pt-4 sm:grid-cols-[1fr_1fr_auto]"
          send={async (data) => {
            await give(textOf(data, 'where') || null, textOf(data, 'role'))
            await changed()
          }}
        >
          <RoleSelect />
          <Select
            name="where"
            label={t.shell.project}
            options={[...new Set([...known, project]), '']}
            names={{ '': t.settings.everywhere }}
          />
        </Form>
        {refusal && <Failed error={refusal} />}
        <Button className="self-end" onClick={close}>
          {t.shell.close}
        </Button>
      </div>
    </Dialog>
  )
}

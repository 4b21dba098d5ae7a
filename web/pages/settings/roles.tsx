import { useQuery, useQueryClient } from '@tanstack/react-query'
import { answer, api } from '../../api/client.ts'
import { projects, type User } from '../../api/queries.ts'
import { t } from '../../texts/en.ts'
import { textOf, useAct } from '../../ui/act.ts'
import { Dialog } from '../../ui/dialog.tsx'
import { Button, inputShape } from '../../ui/parts.tsx'
import { Failed } from '../../ui/states.tsx'
import { RoleSelect, roleNamed } from './role-select.tsx'

const { users, projects: inProjects } = api.access

/** The roles of a user, one in the whole instance and one in each project: given, changed and taken. */
export const Roles = ({ user, project, close }: { user: User; project: string; close: () => void }) => {
  const { data: known = [] } = useQuery(projects())
  const queries = useQueryClient()
  const { act, isWorking, refusal } = useAct()
  const change = (work: () => Promise<unknown>) =>
    act(async () => {
      await work()
      await queries.invalidateQueries({ queryKey: ['users'] })
      await queries.invalidateQueries({ queryKey: ['me'] })
    })
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
                    onClick={() => void change(() => take(grant.project))}
                    aria-label={`${t.settings.take} ${said}`}
                  >
                    {t.settings.take}
                  </Button>
                </li>
              )
            })}
          </ul>
        )}
        <form
          className="flex flex-wrap items-end gap-3 border-t border-line pt-4"
          onSubmit={(event) => {
            event.preventDefault()
            const data = new FormData(event.currentTarget)
            void change(() => give(textOf(data, 'where') || null, textOf(data, 'role')))
          }}
        >
          <RoleSelect />
          <label className="flex flex-col gap-1">
            {t.shell.project}
            <select name="where" className={inputShape}>
              {[...new Set([...known, project])].map((name) => (
                <option key={name}>{name}</option>
              ))}
              <option value="">{t.settings.everywhere}</option>
            </select>
          </label>
          <Button type="submit" kind="primary" disabled={isWorking}>
            {t.settings.give}
          </Button>
        </form>
        {refusal && <Failed error={refusal} />}
        <Button className="self-end" onClick={close}>
          {t.shell.close}
        </Button>
      </div>
    </Dialog>
  )
}

import { useQuery, useQueryClient } from '@tanstack/react-query'
import { useState } from 'react'
import { answer, api } from '../../api/client.ts'
import { sessions } from '../../api/queries.ts'
import { useMay } from '../../shell/role.ts'
import { t } from '../../texts/en.ts'
import { textOf, useAct } from '../../ui/act.ts'
import { Foreign } from '../../ui/foreign.tsx'
import { Badge, Button, inputShape, Panel, Time } from '../../ui/parts.tsx'
import { Failed, Loaded } from '../../ui/states.tsx'
import { TableBox } from '../../ui/tabs.tsx'
import { Passkeys } from './passkeys.tsx'

const wayName = (way: string): string => Object.entries(t.settings.way).find(([name]) => name === way)?.[1] ?? way

/** One's own password, and where one is signed in; an administrator sees everybody's sessions. */
export const YouTab = () => {
  const isAdministrator = useMay('administrator')
  const query = useQuery(sessions(isAdministrator))
  const queries = useQueryClient()
  const { act, refusal } = useAct()
  const end = (session: string) =>
    act(async () => {
      await answer(api.session.sessions[':session'].$delete({ param: { session } }))
      await queries.invalidateQueries()
    })
  return (
    <div className="grid items-start gap-4 lg:grid-cols-[minmax(0,1fr)_22rem]">
      <Panel title={isAdministrator ? t.settings.everybodysSessions : t.settings.sessions} isFlush>
        {refusal && <Failed error={refusal} />}
        <Loaded query={query}>
          {(all) => (
            <TableBox label={t.settings.sessions}>
              <tbody>
                {all.map(({ session, user, way, openedAt, isThis }) => (
                  <tr key={session}>
                    <td className="w-full">
                      <Foreign className="font-medium">{user}</Foreign>{' '}
                      <span className="text-soft">{wayName(way)}</span>
                    </td>
                    <td>{isThis && <Badge tone="good">{t.settings.thisOne}</Badge>}</td>
                    <td className="text-right text-soft">
                      <Time at={openedAt} />
                    </td>
                    <td className="text-right">
                      <Button onClick={() => void end(session)}>{t.settings.end}</Button>
                    </td>
                  </tr>
                ))}
              </tbody>
            </TableBox>
          )}
        </Loaded>
      </Panel>
      <div className="flex min-w-0 flex-col gap-4">
        <Password />
        <Passkeys />
      </div>
    </div>
  )
}

const Password = () => {
  const { act, isWorking, refusal } = useAct()
  const [isDone, setIsDone] = useState(false)
  return (
    <Panel title={t.settings.password}>
      <form
        className="flex flex-col gap-4"
        onSubmit={(event) => {
          event.preventDefault()
          const form = event.currentTarget
          const data = new FormData(form)
          setIsDone(false)
          void act(async () => {
            const current = textOf(data, 'current') || null
            await answer(
              api.session.me.password.$put({ json: { current, password: String(data.get('password') ?? '') } }),
            )
            form.reset()
            setIsDone(true)
          })
        }}
      >
        <label className="flex flex-col gap-1">
          {t.settings.current}
          <input name="current" type="password" autoComplete="current-password" className={inputShape} />
        </label>
        <label className="flex flex-col gap-1">
          {t.settings.chosen}
          <input
            name="password"
            type="password"
            required
            minLength={12}
            autoComplete="new-password"
            className={inputShape}
          />
          <span className="text-xs text-soft">{t.signIn.passwordHint}</span>
        </label>
        {refusal && <Failed error={refusal} />}
        <div className="flex items-center gap-3">
          <Button type="submit" disabled={isWorking}>
            {isWorking ? t.actions.working : t.settings.set}
          </Button>
          <span role="status" className="text-good">
            {isDone && t.settings.passwordDone}
          </span>
        </div>
      </form>
    </Panel>
  )
}

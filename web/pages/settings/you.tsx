import { useQuery, useQueryClient } from '@tanstack/react-query'
import { answer, api } from '../../api/client.ts'
import { sessions } from '../../api/queries.ts'
import { useMay } from '../../shell/role.ts'
import { t } from '../../texts/en.ts'
import { textOf, useAct } from '../../ui/act.ts'
import { Foreign } from '../../ui/foreign.tsx'
import { Field, Form } from '../../ui/form.tsx'
import { Badge, Button, Panel, Time } from '../../ui/parts.tsx'
import { Failed, Loaded } from '../../ui/states.tsx'
import { Cell, TableBox } from '../../ui/table.tsx'
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
                    <Cell fold="title" className="w-full">
                      <Foreign className="font-medium">{user}</Foreign>{' '}
                      <span className="text-soft">{wayName(way)}</span>
                    </Cell>
                    <Cell fold="aside">{isThis && <Badge tone="good">{t.settings.thisOne}</Badge>}</Cell>
                    <Cell className="text-right text-soft">
                      <Time at={openedAt} />
                    </Cell>
                    <Cell fold="actions" className="text-right">
                      <Button onClick={() => void end(session)}>{t.settings.end}</Button>
                    </Cell>
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

const Password = () => (
  <Panel title={t.settings.password}>
    <Form
      action={t.settings.set}
      kind="plain"
      done={t.settings.passwordDone}
      send={(data) => {
        const current = textOf(data, 'current') || null
        return answer(api.session.me.password.$put({ json: { current, password: String(data.get('password') ?? '') } }))
      }}
    >
      <Field name="current" label={t.settings.current} type="password" autoComplete="current-password" />
      <Field
        name="password"
        label={t.settings.chosen}
        hint={t.signIn.passwordHint}
        type="password"
        required
        minLength={12}
        autoComplete="new-password"
      />
    </Form>
  </Panel>
)

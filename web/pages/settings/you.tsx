import { useQuery, useQueryClient } from '@tanstack/react-query'
import { useState } from 'react'
import { answer, api } from '../../api/client.ts'
import { type Session, sessions } from '../../api/queries.ts'
import { useMay } from '../../shell/role.ts'
import { useSignOut } from '../../shell/sign-out.ts'
import { t } from '../../texts/en.ts'
import { textOf } from '../../ui/act.ts'
import { Confirm } from '../../ui/dialog.tsx'
import { Foreign } from '../../ui/foreign.tsx'
import { Field, Form } from '../../ui/form.tsx'
import { moment } from '../../ui/format.ts'
import { Badge, Button, Panel, Time } from '../../ui/parts.tsx'
import { Loaded } from '../../ui/states.tsx'
import { Cell, TableBox } from '../../ui/table.tsx'
import { Passkeys } from './passkeys.tsx'

const wayName = (way: string): string => Object.entries(t.settings.way).find(([name]) => name === way)?.[1] ?? way

/** One's own password, and where one is signed in; an administrator sees everybody's sessions. */
export const YouTab = () => {
  const isAdministrator = useMay('administrator')
  const query = useQuery(sessions(isAdministrator))
  const [ended, setEnded] = useState<Session | null>(null)
  const isByPasskey = query.data?.find(({ isThis }) => isThis)?.way === 'passkey'
  return (
    <div className="grid items-start gap-4 lg:grid-cols-[minmax(0,1fr)_22rem]">
      <Panel title={isAdministrator ? t.settings.everybodysSessions : t.settings.sessions} isFlush>
        <Loaded query={query}>
          {(all) => (
            <TableBox label={t.settings.sessions}>
              <tbody>
                {all.map((one) => {
                  const { session, user, way, openedAt, isThis } = one
                  return (
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
                        <Button
                          onClick={() => setEnded(one)}
                          aria-label={`${t.settings.end} ${isThis ? t.settings.thisOne : `${user}, ${wayName(way)}, ${moment(openedAt)}`}`}
                        >
                          {t.settings.end}
                        </Button>
                      </Cell>
                    </tr>
                  )
                })}
              </tbody>
            </TableBox>
          )}
        </Loaded>
      </Panel>
      <div className="flex min-w-0 flex-col gap-4">
        <Password />
        <Passkeys isByPasskey={isByPasskey} />
      </div>
      {ended && <End session={ended} close={() => setEnded(null)} />}
    </div>
  )
}

/** Asks before a session ends; one's own ends as if one had signed out. */
const End = ({ session: { session, user, way, openedAt, isThis }, close }: { session: Session; close: () => void }) => {
  const queries = useQueryClient()
  const signOut = useSignOut()
  return (
    <Confirm
      title={isThis ? t.settings.endThis : t.settings.endSession(user)}
      detail={isThis ? t.settings.endThisDetail : t.settings.endSessionDetail(wayName(way), moment(openedAt))}
      action={isThis ? t.shell.signOut : t.settings.end}
      isDangerous
      close={close}
      act={async () => {
        if (isThis) return signOut()
        await answer(api.session.sessions[':session'].$delete({ param: { session } }))
        await queries.invalidateQueries({ queryKey: ['sessions'] })
      }}
    />
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

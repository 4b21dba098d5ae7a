import { useQuery, useQueryClient } from '@tanstack/react-query'
import { useState } from 'react'
import { answer, api } from '../../../api/client.ts'
import { deadLetters } from '../../../api/door-queries.ts'
import { t } from '../../../texts/en.ts'
import { textOf, useAct } from '../../../ui/act.ts'
import { Dialog } from '../../../ui/dialog.tsx'
import { Foreign } from '../../../ui/foreign.tsx'
import { count } from '../../../ui/format.ts'
import { Button, inputShape, Time } from '../../../ui/parts.tsx'
import { Empty, Failed, Loaded } from '../../../ui/states.tsx'
import { TableBox } from '../../../ui/tabs.tsx'

const one = api.door.projects[':project']['event-subscriptions'][':subscription']

/** What somebody did not take; to be sent again, or everything from a fact on. */
export const Letters = ({
  project,
  subscription,
  maySet,
  close,
}: {
  project: string
  subscription: string
  maySet: boolean
  close: () => void
}) => {
  const query = useQuery(deadLetters(project, subscription))
  const queries = useQueryClient()
  const { act, isWorking, refusal } = useAct()
  const [done, setDone] = useState<string | null>(null)
  const replay = (wish: { dead: true } | { after: number }) =>
    act(async () => {
      const { taken } = await answer(one.replay.$post({ param: { project, subscription }, json: wish }))
      setDone(taken === null ? t.actions.done : t.door.resent(count(taken)))
      await queries.invalidateQueries({ queryKey: ['door'] })
    })
  return (
    <Dialog title={t.door.lettersOf(subscription)} close={close} className="w-[min(44rem,calc(100vw-2rem))]">
      <div className="flex flex-col gap-4 pt-3 pb-5">
        <Loaded query={query}>
          {(all) =>
            all.length === 0 ? (
              <Empty>{t.door.noLetters}</Empty>
            ) : (
              <div className="max-h-72 overflow-y-auto">
                <TableBox label={t.door.letters}>
                  <thead>
                    <tr>
                      <th className="text-right!">{t.door.fact}</th>
                      <th>{t.door.standing}</th>
                      <th className="text-right!">{t.door.attempts}</th>
                      <th className="text-right!">{t.door.failed}</th>
                    </tr>
                  </thead>
                  <tbody>
                    {all.map(({ seq, failedAt, attempts, detail }) => (
                      <tr key={seq}>
                        <td className="text-right font-mono text-xs">{seq}</td>
                        <td className="w-full min-w-40">
                          <Foreign>{detail}</Foreign>
                        </td>
                        <td className="text-right">{attempts}</td>
                        <td className="text-right text-soft">
                          <Time at={failedAt} />
                        </td>
                      </tr>
                    ))}
                  </tbody>
                </TableBox>
              </div>
            )
          }
        </Loaded>
        <div className="flex flex-col gap-4 px-5">
          {refusal && <Failed error={refusal} />}
          <p role="status" className="m-0 text-good empty:hidden">
            {done}
          </p>
          {maySet && (
            <form
              className="flex flex-wrap items-end gap-2"
              onSubmit={(event) => {
                event.preventDefault()
                void replay({ after: Number(textOf(new FormData(event.currentTarget), 'after')) })
              }}
            >
              <label className="flex min-w-0 flex-[1_1_14rem] flex-col gap-1">
                {t.door.replay}
                <input name="after" type="number" min={0} required defaultValue={0} className={inputShape} />
                <span className="text-xs text-soft">{t.door.replayDetail}</span>
              </label>
              <Button type="submit" disabled={isWorking}>
                {t.door.replay}
              </Button>
            </form>
          )}
          <div className="flex flex-wrap justify-end gap-2">
            {maySet && (
              <Button
                disabled={isWorking || (query.data ?? []).length === 0}
                onClick={() => void replay({ dead: true })}
              >
                {t.door.resend}
              </Button>
            )}
            <Button onClick={close}>{t.shell.close}</Button>
          </div>
        </div>
      </div>
    </Dialog>
  )
}

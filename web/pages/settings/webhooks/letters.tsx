import { useQuery, useQueryClient } from '@tanstack/react-query'
import { useState } from 'react'
import { answer, api } from '../../../api/client.ts'
import { deadLetters } from '../../../api/door-queries.ts'
import { t } from '../../../texts/en.ts'
import { textOf, useAct } from '../../../ui/act.ts'
import { Dialog } from '../../../ui/dialog.tsx'
import { Foreign } from '../../../ui/foreign.tsx'
import { Field, Form } from '../../../ui/form.tsx'
import { count } from '../../../ui/format.ts'
import { Button, Time } from '../../../ui/parts.tsx'
import { Empty, Failed, Loaded } from '../../../ui/states.tsx'
import { ActionsHead, Cell, TableBox } from '../../../ui/table.tsx'

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
  const replay = async (wish: { dead: true; seq?: number } | { after: number }): Promise<void> => {
    const { taken } = await answer(one.replay.$post({ param: { project, subscription }, json: wish }))
    await queries.invalidateQueries({ queryKey: ['door'] })
    setDone('after' in wish ? t.door.replayed(count(wish.after)) : t.door.resent(count(taken ?? 0)))
  }
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
                      {maySet && <ActionsHead />}
                    </tr>
                  </thead>
                  <tbody>
                    {all.map(({ seq, failedAt, attempts, detail }) => (
                      <tr key={seq}>
                        <Cell label={t.door.fact} className="text-right font-mono text-xs">
                          {seq}
                        </Cell>
                        <Cell fold="title" className="w-full min-w-40">
                          <Foreign>{detail}</Foreign>
                        </Cell>
                        <Cell label={t.door.attempts} className="text-right">
                          {attempts}
                        </Cell>
                        <Cell label={t.door.failed} className="text-right text-soft">
                          <Time at={failedAt} />
                        </Cell>
                        {maySet && (
                          <Cell fold="actions" className="text-right">
                            <Button
                              disabled={isWorking}
                              onClick={() => void act(() => replay({ dead: true, seq }))}
                              aria-label={t.door.resendOne(seq)}
                            >
                              {t.door.again}
                            </Button>
                          </Cell>
                        )}
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
            <Form
              action={t.door.replay}
              kind="plain"
              className="grid items-start gap-3 sm:grid-cols-[minmax(0,1fr)_auto] sm:[&>:last-child]:pt-6"
              send={(data) => replay({ after: Number(textOf(data, 'after')) })}
            >
              <Field
                name="after"
                label={t.door.replayAfter}
                hint={t.door.replayDetail}
                type="number"
                min={0}
                required
                defaultValue={0}
              />
            </Form>
          )}
          <div className="flex flex-wrap justify-end gap-2">
            {maySet && (
              <Button
                disabled={isWorking || (query.data ?? []).length === 0}
                onClick={() => void act(() => replay({ dead: true }))}
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

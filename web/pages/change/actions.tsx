import { useQuery, useQueryClient } from '@tanstack/react-query'
import { type ReactNode, useState } from 'react'
import type { Change } from '../../api/change-queries.ts'
import { answer, api } from '../../api/client.ts'
import { whoAmI } from '../../api/queries.ts'
import { useMay } from '../../shell/role.ts'
import { t } from '../../texts/en.ts'
import { textOf, useAct } from '../../ui/act.ts'
import { Confirm } from '../../ui/dialog.tsx'
import { Area, Check, Field } from '../../ui/form.tsx'
import { Button } from '../../ui/parts.tsx'
import { Refused } from '../../ui/states.tsx'
import { Erase } from './erase.tsx'
import { Revert } from './revert.tsx'

const one = api.changes.projects[':project'].repositories[':repository'].changes[':number']
type Question = 'merge' | 'withdraw' | 'abandon' | 'edit'
type Asked = Question | 'revert'

/** What whoever looks at a change may do with it. */
export const Actions = ({ project, known }: { project: string; known: Change }) => {
  const mayAct = useMay('developer', project)
  const { data: me } = useQuery(whoAmI())
  const queries = useQueryClient()
  const { act, isWorking, refusal } = useAct()
  const [asked, setAsked] = useState<Asked | null>(null)
  if (!mayAct) return null
  const about = { param: { project, repository: known.repository, number: String(known.number) } }
  const fresh = () => queries.invalidateQueries({ queryKey: ['changes'] })
  const ask = (what: () => Parameters<typeof answer>[0]) => void act(() => answer(what()).then(fresh))
  const hasApproved = known.approvals.some(({ user, version }) => user === me?.user && version === known.version)
  // Nobody approves what is partly their own.
  const hasPart = known.author === me?.user || known.versions.some(({ user }) => user === me?.user)
  return (
    <>
      {known.title !== null && <Erase project={project} change={known} comment={null} />}
      {known.status === 'open' && (
        <>
          {hasApproved && (
            <Button disabled={isWorking} onClick={() => ask(() => one.approvals.$delete(about))}>
              {t.change.takeBack}
            </Button>
          )}
          {!hasApproved && !hasPart && (
            <Button disabled={isWorking} onClick={() => ask(() => one.approvals.$post(about))}>
              {t.change.approve}
            </Button>
          )}
          {!known.isQueued && (
            <Button disabled={isWorking} onClick={() => ask(() => one.retest.$post(about))}>
              {t.change.retest}
            </Button>
          )}
          <Button onClick={() => setAsked('edit')}>{t.change.edit}</Button>
          <Button kind="danger" onClick={() => setAsked('abandon')}>
            {t.change.abandon}
          </Button>
          {known.wish === null ? (
            <Button kind="primary" onClick={() => setAsked('merge')}>
              {t.change.merge}
            </Button>
          ) : (
            <Button onClick={() => setAsked('withdraw')}>{t.change.withdraw}</Button>
          )}
        </>
      )}
      {known.status === 'abandoned' && (
        <Button disabled={isWorking} onClick={() => ask(() => one.reopen.$post(about))}>
          {t.change.reopen}
        </Button>
      )}
      {known.status === 'merged' && known.merged?.before && (
        <Button onClick={() => setAsked('revert')}>{t.change.revert}</Button>
      )}
      {refusal && (
        <div className="basis-full">
          <Refused refusal={refusal} />
        </div>
      )}
      {asked === 'revert' && (
        <Revert
          {...{ project, repository: known.repository, target: known.target }}
          what={{ number: known.number }}
          title={t.change.revertTitle}
          detail={t.change.revertDetail}
          close={() => setAsked(null)}
        />
      )}
      {asked !== null && asked !== 'revert' && (
        <Ask project={project} known={known} asked={asked} close={() => setAsked(null)} />
      )}
    </>
  )
}

/** What is asked once more, or needs a word. */
const Ask = ({
  project,
  known,
  asked,
  close,
}: {
  project: string
  known: Change
  asked: Question
  close: () => void
}) => {
  const queries = useQueryClient()
  const isOperator = useMay('operator', project)
  const { repository, number } = known
  const about = { param: { project, repository, number: String(number) } }
  const mayMend = isOperator && known.blockers.some(({ kind }) => kind === 'red-target')
  const ways: Readonly<
    Record<
      Question,
      {
        title: string
        action: string
        detail?: string
        isDangerous?: boolean
        fields?: ReactNode
        act: (data: FormData) => Promise<unknown>
      }
    >
  > = {
    merge: {
      title: t.change.mergeTitle,
      detail: t.change.mergeDetail(known.target),
      action: t.change.merge,
      fields: mayMend && <Check name="mends" label={t.change.mends} isOn={false} />,
      act: (data) =>
        answer(one.merge.$post({ ...about, json: { head: known.head, mends: data.get('mends') !== null } })),
    },
    withdraw: {
      title: t.change.withdrawTitle,
      detail: t.change.withdrawDetail,
      action: t.change.withdraw,
      act: () => answer(one.merge.$delete(about)),
    },
    abandon: {
      title: t.change.abandonTitle,
      detail: t.change.abandonDetail,
      action: t.change.abandon,
      isDangerous: true,
      fields: <Field name="why" label={t.change.why} maxLength={500} />,
      act: (data) => {
        const why = textOf(data, 'why')
        return answer(one.abandon.$post({ ...about, json: why === '' ? {} : { why } }))
      },
    },
    edit: {
      title: t.change.editTitle,
      action: t.change.save,
      fields: (
        <>
          <Field
            name="title"
            label={t.change.titleField}
            required
            maxLength={200}
            defaultValue={known.title ?? known.branch}
          />
          <Area name="body" label={t.change.bodyField} value={known.body ?? ''} maxLength={65_536} />
        </>
      ),
      act: (data) =>
        answer(one.$patch({ ...about, json: { title: textOf(data, 'title'), body: textOf(data, 'body') } })),
    },
  }
  const { title, detail, action, isDangerous = false, fields, act } = ways[asked]
  return (
    <Confirm
      title={title}
      detail={detail}
      action={action}
      isDangerous={isDangerous}
      close={close}
      act={async (data) => {
        await act(data)
        await queries.invalidateQueries({ queryKey: ['changes'] })
      }}
    >
      {fields}
    </Confirm>
  )
}

import { useQuery, useQueryClient } from '@tanstack/react-query'
import { useState } from 'react'
import { answer, api } from '../../api/client.ts'
import { type IncidentStory, learned, ofIncident } from '../../api/learn-queries.ts'
import { t } from '../../texts/en.ts'
import { Confirm } from '../../ui/dialog.tsx'
import { date } from '../../ui/format.ts'
import { inputShape } from '../../ui/parts.tsx'
import { versionOf } from '../insights/version.tsx'
import { around } from './timeline.tsx'

/** Says which deployment caused it: one of those before it, or none. */
export const Cause = ({ project, known, close }: { project: string; known: IncidentStory; close: () => void }) => {
  const queries = useQueryClient()
  const { data: before = [] } = useQuery(learned(around(project, known, 30), 'all', 100))
  const [deployment, setDeployment] = useState(known.deployment ?? '')
  const [why, setWhy] = useState('')
  const isListed = before.some((one) => one.deployment === known.deployment)
  return (
    <Confirm
      title={t.incidents.correctTitle}
      detail={t.incidents.correctDetail}
      action={t.incidents.correct}
      close={close}
      act={async () => {
        await answer(
          api.incidents.projects[':project'].incidents[':incident'].cause.$post({
            param: ofIncident(project, known.incident),
            json: { deployment: deployment === '' ? null : deployment, ...(why === '' ? {} : { why }) },
          }),
        )
        for (const key of ['incidents', 'insights']) await queries.invalidateQueries({ queryKey: [key] })
      }}
    >
      <label className="flex flex-col gap-1">
        {t.incidents.cause}
        <select value={deployment} onChange={(event) => setDeployment(event.target.value)} className={inputShape}>
          <option value="">{t.incidents.causeNone}</option>
          {known.deployment !== null && !isListed && (
            <option value={known.deployment}>
              {known.version ? `${known.version.service} ${versionOf(known.version)}` : known.deployment}
            </option>
          )}
          {before.map((one) => (
            <option key={one.deployment} value={one.deployment}>
              {`${one.service} ${versionOf(one)}, ${one.liveAt === null ? '' : date(one.liveAt)}`}
            </option>
          ))}
        </select>
      </label>
      <label className="flex flex-col gap-1">
        {t.incidents.why}
        <input value={why} maxLength={500} onChange={(event) => setWhy(event.target.value)} className={inputShape} />
      </label>
    </Confirm>
  )
}

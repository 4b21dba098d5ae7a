import { useQuery, useQueryClient } from '@tanstack/react-query'
import { useState } from 'react'
import { answer, api } from '../../api/client.ts'
import { services } from '../../api/queries.ts'
import { t } from '../../texts/en.ts'
import { Confirm } from '../../ui/dialog.tsx'
import { momentIn } from '../../ui/moment.ts'
import { inputShape } from '../../ui/parts.tsx'

const placeName = (service: string, environment: string): string => `${service} ${environment}`

/** Opens an incident by hand. */
export const OpenIncident = ({
  project,
  close,
  opened,
}: {
  project: string
  close: () => void
  opened: (incident: string) => void
}) => {
  const { data: known = [] } = useQuery(services(project))
  const queries = useQueryClient()
  const [title, setTitle] = useState('')
  const [where, setWhere] = useState('')
  const [since, setSince] = useState('')
  const places = known.filter(({ status }) => status !== 'removed')
  const place = places.find(({ service, environment }) => placeName(service, environment) === where)
  return (
    <Confirm
      title={t.incidents.openTitle}
      detail={t.incidents.openDetail}
      action={t.incidents.open}
      close={close}
      act={async () => {
        const told = {
          title,
          service: place?.service ?? null,
          environment: place?.environment ?? null,
          impactStartedAt: momentIn(since),
        }
        const { incident } = await answer(
          api.incidents.projects[':project'].incidents.$post({ param: { project }, json: told }),
        )
        await queries.invalidateQueries({ queryKey: ['incidents'] })
        opened(incident)
      }}
    >
      <label className="flex flex-col gap-1">
        {t.incidents.what}
        <input
          value={title}
          required
          maxLength={500}
          onChange={(event) => setTitle(event.target.value)}
          className={inputShape}
        />
      </label>
      <label className="flex flex-col gap-1">
        {t.incidents.service}
        <select value={where} onChange={(event) => setWhere(event.target.value)} className={inputShape}>
          <option value="">{t.incidents.noService}</option>
          {places.map(({ service, environment }) => (
            <option key={placeName(service, environment)}>{placeName(service, environment)}</option>
          ))}
        </select>
      </label>
      <label className="flex flex-col gap-1">
        {t.incidents.since}
        <input
          type="datetime-local"
          value={since}
          onChange={(event) => setSince(event.target.value)}
          className={inputShape}
        />
        <span className="text-xs text-soft">{t.incidents.sinceHint}</span>
      </label>
    </Confirm>
  )
}

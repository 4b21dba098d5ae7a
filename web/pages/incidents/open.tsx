import { useQuery, useQueryClient } from '@tanstack/react-query'
import { answer, api } from '../../api/client.ts'
import { services } from '../../api/queries.ts'
import { t } from '../../texts/en.ts'
import { textOf } from '../../ui/act.ts'
import { Confirm } from '../../ui/dialog.tsx'
import { Field, Select } from '../../ui/form.tsx'
import { momentIn } from '../../ui/moment.ts'

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
  const { data } = useQuery(services(project))
  const queries = useQueryClient()
  const places = data?.services ?? []
  return (
    <Confirm
      title={t.incidents.openTitle}
      detail={t.incidents.openDetail}
      action={t.incidents.open}
      close={close}
      act={async (data) => {
        const where = textOf(data, 'where')
        const place = places.find(({ service, environment }) => placeName(service, environment) === where)
        const told = {
          title: textOf(data, 'title'),
          service: place?.service ?? null,
          environment: place?.environment ?? null,
          impactStartedAt: momentIn(textOf(data, 'since')),
        }
        const { incident } = await answer(
          api.incidents.projects[':project'].incidents.$post({ param: { project }, json: told }),
        )
        await queries.invalidateQueries({ queryKey: ['incidents'] })
        opened(incident)
      }}
    >
      <Field name="title" label={t.incidents.what} required maxLength={500} />
      <Select
        name="where"
        label={t.incidents.service}
        options={['', ...places.map(({ service, environment }) => placeName(service, environment))]}
        names={{ '': t.incidents.noService }}
      />
      <Field name="since" label={t.incidents.since} type="datetime-local" hint={t.incidents.sinceHint} />
    </Confirm>
  )
}

import { useQuery, useQueryClient } from '@tanstack/react-query'
import { useState } from 'react'
import { answer, api } from '../../api/client.ts'
import { learned, learnedServices } from '../../api/learn-queries.ts'
import { services } from '../../api/service-queries.ts'
import { t } from '../../texts/en.ts'
import { textOf } from '../../ui/act.ts'
import { Confirm } from '../../ui/dialog.tsx'
import { Field, Select } from '../../ui/form.tsx'
import { moment } from '../../ui/format.ts'
import { momentIn } from '../../ui/moment.ts'
import { versionOf } from '../insights/version.tsx'

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
  const { data: learnedOf = [] } = useQuery(learnedServices(project))
  const queries = useQueryClient()
  const [where, setWhere] = useState('')
  // What runs here, and what other systems tell of.
  const places = [...(data?.services ?? []), ...learnedOf].filter(
    ({ service, environment }, at, all) =>
      at === all.findIndex((one) => one.service === service && one.environment === environment),
  )
  const place = places.find(({ service, environment }) => placeName(service, environment) === where)
  return (
    <Confirm
      title={t.incidents.openTitle}
      detail={t.incidents.openDetail}
      action={t.incidents.open}
      close={close}
      act={async (data) => {
        const told = {
          title: textOf(data, 'title'),
          service: place?.service ?? null,
          environment: place?.environment ?? null,
          impactStartedAt: momentIn(textOf(data, 'since')),
          causedBy: textOf(data, 'causedBy') || null,
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
        value={where}
        choose={setWhere}
      />
      {place && <CausedBy key={where} project={project} {...place} />}
      <Field name="since" label={t.incidents.since} type="datetime-local" hint={t.incidents.sinceHint} />
    </Confirm>
  )
}

const monthMs = 30 * 86_400_000

/** The deployments there of the last month, of which one may have caused it. */
const CausedBy = ({ project, service, environment }: { project: string; service: string; environment: string }) => {
  const [since] = useState(() => Date.now() - monthMs)
  const { data: before = [] } = useQuery(
    learned({ project, service, environment, since, until: undefined }, 'all', 100),
  )
  return (
    <Select
      name="causedBy"
      label={t.incidents.cause}
      options={['', ...before.map(({ deployment }) => deployment)]}
      names={{
        '': t.incidents.causeUnknown,
        ...Object.fromEntries(
          before.map((one) => [
            one.deployment,
            `${versionOf(one)}${one.liveAt === null ? '' : `, ${moment(one.liveAt)}`}`,
          ]),
        ),
      }}
    />
  )
}

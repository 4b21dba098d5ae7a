import { useQuery } from '@tanstack/react-query'
import { useNavigate, useParams, useSearch } from '@tanstack/react-router'
import { services } from '../../api/queries.ts'
import { t } from '../../texts/en.ts'
import { inputShape, PageHead, Panel } from '../../ui/parts.tsx'
import { Empty, Loaded, Skeleton } from '../../ui/states.tsx'
import { FirstRun } from '../first-run/first-run.tsx'
import { ServiceTable } from './service-table.tsx'

export const ServicesPage = () => {
  const { project } = useParams({ from: '/shell/projects/$project/services' })
  const { filter = '' } = useSearch({ from: '/shell/projects/$project/services' })
  const navigate = useNavigate({ from: '/projects/$project/services' })
  const query = useQuery(services(project))
  if (query.data?.length === 0) return <FirstRun project={project} />
  return (
    <>
      <PageHead
        title={t.services.title}
        actions={
          <input
            type="search"
            aria-label={t.services.filter}
            placeholder={t.services.filter}
            value={filter}
            onChange={(event) =>
              void navigate({ search: event.target.value ? { filter: event.target.value } : {}, replace: true })
            }
            className={`${inputShape} w-56`}
          />
        }
      />
      <Panel isFlush>
        <Loaded query={query} waiting={<Skeleton rows={6} />}>
          {(all) => {
            const shown = all.filter(({ service }) => service.includes(filter.toLowerCase()))
            return shown.length === 0 ? (
              <Empty>{t.services.none}</Empty>
            ) : (
              <ServiceTable services={shown} project={project} />
            )
          }}
        </Loaded>
      </Panel>
    </>
  )
}

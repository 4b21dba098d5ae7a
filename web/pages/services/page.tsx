import { useQuery } from '@tanstack/react-query'
import { useNavigate, useParams, useSearch } from '@tanstack/react-router'
import { services } from '../../api/service-queries.ts'
import { t } from '../../texts/en.ts'
import { FilterBox } from '../../ui/filter.tsx'
import { Pager } from '../../ui/pager.tsx'
import { PageHead, Panel } from '../../ui/parts.tsx'
import { Empty, Loaded, Skeleton } from '../../ui/states.tsx'
import { FirstRun } from '../first-run/first-run.tsx'
import { Rows } from './rows.tsx'
import { grouped, ServiceTable } from './service-table.tsx'

const onPage = 100

export const ServicesPage = () => {
  const { project } = useParams({ from: '/shell/projects/$project/services' })
  const { filter = '', before, after } = useSearch({ from: '/shell/projects/$project/services' })
  const navigate = useNavigate({ from: '/projects/$project/services' })
  const isChosen = filter !== '' || before !== undefined || after !== undefined
  const query = useQuery(
    services(project, {
      limit: onPage,
      ...(filter && { search: filter }),
      ...(before && { before }),
      ...(after && { after }),
    }),
  )
  if (query.data?.matching === 0 && !isChosen) return <FirstRun project={project} />
  return (
    <>
      <PageHead
        title={t.services.title}
        actions={
          <FilterBox
            label={t.services.filter}
            value={filter}
            change={(words) => void navigate({ search: words ? { filter: words } : {}, replace: true })}
          />
        }
      />
      <Panel isFlush>
        <Loaded query={query} waiting={<Skeleton rows={6} />}>
          {({ services: shown, previous, next }) =>
            shown.length === 0 ? (
              <Empty>{t.services.none}</Empty>
            ) : (
              <>
                <ServiceTable>
                  <Rows all={grouped(shown)} project={project} />
                </ServiceTable>
                <Pager
                  label={t.services.pages}
                  back={{ name: t.services.previous, before: previous }}
                  on={{ name: t.services.next, after: next }}
                />
              </>
            )
          }
        </Loaded>
      </Panel>
    </>
  )
}

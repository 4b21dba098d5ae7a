import { useQuery } from '@tanstack/react-query'
import { Link, useNavigate, useParams, useSearch } from '@tanstack/react-router'
import { lazy, Suspense, useState } from 'react'
import { service as serviceNamed } from '../../api/service-queries.ts'
import { useMay } from '../../shell/role.ts'
import { t } from '../../texts/en.ts'
import { Button, PageHead } from '../../ui/parts.tsx'
import { Empty, Loaded, Skeleton } from '../../ui/states.tsx'
import { Choice, Tabs } from '../../ui/tabs.tsx'
import { EndedPromotions } from '../approvals/ended.tsx'
import { OpenPromotions } from '../approvals/promotions.tsx'
import { Alerts } from './alerts.tsx'
import { Environments } from './environments.tsx'
import { ServiceFile } from './file.tsx'
import { History } from './history.tsx'
import { Instances } from './instances.tsx'
import { ServiceLog } from './log.tsx'
import { Migrations } from './migrations.tsx'
import { Releases } from './releases.tsx'
import { rangeNamed, Signals } from './signals.tsx'

const RemoveService = lazy(async () => ({ default: (await import('./remove.tsx')).RemoveService }))

const tabs = ['overview', 'logs', 'releases', 'history', 'migrations', 'file'] as const
type Tab = (typeof tabs)[number]
const tabNamed = (name: string | undefined): Tab => tabs.find((tab) => tab === name) ?? 'overview'

export const ServicePage = () => {
  const { project, service } = useParams({ from: '/shell/projects/$project/services/$service' })
  const search = useSearch({ from: '/shell/projects/$project/services/$service' })
  const navigate = useNavigate({ from: '/projects/$project/services/$service' })
  const query = useQuery(serviceNamed(project, service))
  const tab = tabNamed(search.tab)
  const mayRemove = useMay('operator', project)
  const isThere = (query.data ?? []).some(({ status }) => status !== 'removed')
  const [isRemoving, setIsRemoving] = useState(false)
  return (
    <>
      <PageHead
        above={
          <Link to="/projects/$project/services" params={{ project }} className="text-soft">
            {t.services.title}
          </Link>
        }
        title={service}
        actions={
          mayRemove &&
          isThere && (
            <Button kind="quiet" className="max-sm:-ml-3" onClick={() => setIsRemoving(true)}>
              {t.service.remove}
            </Button>
          )
        }
      />
      {isRemoving && (
        <Suspense>
          <RemoveService project={project} service={service} close={() => setIsRemoving(false)} />
        </Suspense>
      )}
      <Tabs label={service} tabs={tabs} chosen={tab} names={t.service.tabs} />
      <Loaded query={query} waiting={<Skeleton rows={5} rowClass="h-20" />}>
        {(all) => {
          const places = all.filter(({ status }) => status !== 'removed')
          const names = places.map(({ environment }) => environment)
          const main = names.includes('production') ? 'production' : names.at(-1)
          const environment = names.find((name) => name === search.environment) ?? main
          if (environment === undefined) return <Empty>{t.services.none}</Empty>
          const choice = (
            <Choice
              label={t.service.environment}
              value={environment}
              options={names.map((name) => ({ value: name, name }))}
              choose={(chosen) =>
                void navigate({ search: (before) => ({ ...before, environment: chosen }), replace: true })
              }
            />
          )
          const about = { project, service, environment }
          switch (tab) {
            case 'overview':
              return (
                <div className="flex flex-col gap-4">
                  <OpenPromotions project={project} service={service} />
                  <Environments {...about} places={places} />
                  <Signals {...about} range={rangeNamed(search.range)} choice={choice} />
                  <Instances {...about} />
                  <Alerts {...about} />
                </div>
              )
            case 'logs':
              return <ServiceLog key={environment} {...about} choice={choice} />
            case 'releases':
              return <Releases project={project} service={service} places={places} />
            case 'history':
              return (
                <>
                  <History project={project} service={service} />
                  <EndedPromotions project={project} service={service} />
                </>
              )
            case 'migrations':
              return <Migrations key={environment} {...about} choice={choice} />
            case 'file':
              return <ServiceFile project={project} service={service} />
          }
        }}
      </Loaded>
    </>
  )
}

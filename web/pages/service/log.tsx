import { useNavigate, useSearch } from '@tanstack/react-router'
import { type ReactNode, useEffect, useMemo, useState } from 'react'
import { base } from '../../api/client.ts'
import { t } from '../../texts/en.ts'
import { LogLines } from '../../ui/log/lines.ts'
import { LogView } from '../../ui/log/log-view.tsx'
import { Button, inputShape, Panel } from '../../ui/parts.tsx'

const kept = 2_000

/** What the instances of a service say: the newest lines, and those that come. A search looks through all that is kept. */
export const ServiceLog = ({
  project,
  service,
  environment,
  choice,
}: {
  project: string
  service: string
  environment: string
  choice: ReactNode
}) => {
  const { search = '', instance } = useSearch({ from: '/shell/projects/$project/services/$service' })
  const navigate = useNavigate({ from: '/projects/$project/services/$service' })
  const [isFollowed, setIsFollowed] = useState(true)
  const [typed, setTyped] = useState(search)
  const url = useMemo(() => {
    const query = new URLSearchParams({ environment, limit: String(kept), follow: String(isFollowed) })
    if (instance) query.set('instance', instance)
    if (search) query.set('search', search)
    return `${base}/projects/${project}/services/${service}/logs?${query}`
  }, [project, service, environment, instance, search, isFollowed])
  const log = useLog(url)

  return (
    <Panel
      isFlush
      title={t.service.tabs.logs}
      aside={
        <>
          {choice}
          {instance && (
            <Button onClick={() => void navigate({ search: ({ instance: _, ...rest }) => rest })}>
              {t.service.logs.all}
            </Button>
          )}
          <form
            onSubmit={(event) => {
              event.preventDefault()
              void navigate({
                search: ({ search: _, ...rest }) => (typed ? { ...rest, search: typed } : rest),
                replace: true,
              })
            }}
          >
            <input
              type="search"
              aria-label={t.service.logs.search}
              placeholder={t.service.logs.search}
              value={typed}
              onChange={(event) => setTyped(event.target.value)}
              className={`${inputShape} w-48`}
            />
          </form>
          <label className="flex min-h-8 items-center gap-2">
            <input type="checkbox" checked={isFollowed} onChange={(event) => setIsFollowed(event.target.checked)} />
            {t.service.logs.follow}
          </label>
        </>
      }
    >
      <div className="flex h-[max(24rem,calc(100dvh-17rem))] flex-col">
        <LogView
          key={url}
          log={log}
          label={t.service.tabs.logs}
          empty={search ? t.service.logs.none : t.service.logs.quiet}
          hasInstances
          isFollowed={isFollowed}
        />
      </div>
    </Panel>
  )
}

/** The log at an address of the API, read as long as it is looked at. */
export const useLog = (url: string): LogLines => {
  // biome-ignore lint/correctness/useExhaustiveDependencies: another address is another log
  const log = useMemo(() => new LogLines(), [url])
  useEffect(() => {
    const leaving = new AbortController()
    void log.read(url, leaving.signal)
    return () => leaving.abort()
  }, [log, url])
  return log
}

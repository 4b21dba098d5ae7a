import { useNavigate, useSearch } from '@tanstack/react-router'
import { type ReactNode, useEffect, useMemo, useState } from 'react'
import { base } from '../../api/client.ts'
import type { Place } from '../../api/service-queries.ts'
import { t } from '../../texts/en.ts'
import { LogLines } from '../../ui/log/lines.ts'
import { LogView } from '../../ui/log/log-view.tsx'
import { momentField, momentIn } from '../../ui/moment.ts'
import { Button, inputShape, Panel } from '../../ui/parts.tsx'
import { changedSearch } from '../../ui/search.ts'

const kept = 2_000
const value = (at: number | undefined): string => (at === undefined ? '' : momentField(at))

/** What the instances of a service say: the newest lines, and those that come. A search looks through all that is kept. */
export const ServiceLog = ({ project, service, environment, choice }: Place & { choice: ReactNode }) => {
  const { search = '', instance, from, until } = useSearch({ from: '/shell/projects/$project/services/$service' })
  const navigate = useNavigate({ from: '/projects/$project/services/$service' })
  const [isFollowed, setIsFollowed] = useState(true)
  const [typed, setTyped] = useState(search)
  const url = useMemo(() => {
    // What has an end takes no line that is still to come.
    const follow = String(isFollowed && until === undefined)
    const query = new URLSearchParams({ environment, limit: String(kept), follow })
    if (from !== undefined) query.set('since', String(from))
    if (until !== undefined) query.set('until', String(until))
    if (instance) query.set('instance', instance)
    if (search) query.set('search', search)
    return `${base}/projects/${project}/services/${service}/logs?${query}`
  }, [project, service, environment, instance, search, isFollowed, from, until])
  const log = useLog(url)

  return (
    <Panel
      isFlush
      title={t.service.tabs.logs}
      aside={
        <>
          {choice}
          {instance && (
            <Button onClick={() => void navigate({ search: ({ instance: _, ...rest }) => rest, resetScroll: false })}>
              {t.service.logs.all}
            </Button>
          )}
          <form
            onSubmit={(event) => {
              event.preventDefault()
              void navigate({
                search: ({ search: _, ...rest }) => (typed ? { ...rest, search: typed } : rest),
                replace: true,
                resetScroll: false,
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
            <input
              type="checkbox"
              checked={isFollowed && until === undefined}
              disabled={until !== undefined}
              onChange={(event) => setIsFollowed(event.target.checked)}
            />
            {t.service.logs.follow}
          </label>
          {(['from', 'until'] as const).map((name) => (
            <label key={name} className="flex min-h-8 max-w-full items-center gap-2">
              {t.service.logs[name]}
              <input
                type="datetime-local"
                defaultValue={value(name === 'from' ? from : until)}
                onChange={({ target }) =>
                  void navigate({
                    search: (before) => changedSearch(before, { [name]: momentIn(target.value) ?? undefined }),
                    replace: true,
                  })
                }
                className={inputShape}
              />
            </label>
          ))}
        </>
      }
    >
      <div className="flex h-[max(24rem,calc(100dvh-17rem))] flex-col">
        <LogView
          key={url}
          log={log}
          label={t.service.tabs.logs}
          empty={search || from !== undefined || until !== undefined ? t.service.logs.none : t.service.logs.quiet}
          hasInstances
          isFollowed={isFollowed && until === undefined}
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

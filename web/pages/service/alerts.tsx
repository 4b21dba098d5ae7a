import { useQuery } from '@tanstack/react-query'
import { type Alert, alerts, type Place } from '../../api/service-queries.ts'
import { t } from '../../texts/en.ts'
import { Foreign } from '../../ui/foreign.tsx'
import { Badge, Panel, Time, type Tone } from '../../ui/parts.tsx'
import { Empty, Loaded } from '../../ui/states.tsx'

const tones: Readonly<Record<Alert['state'], Tone>> = {
  ...({ firing: 'bad', pending: 'wait', quiet: 'good' } as const),
  'no data': 'calm',
}

/** What is watched of a service in an environment, how it stands, and what came of it of late. */
export const Alerts = ({ project, service, environment }: Place) => {
  const query = useQuery(alerts(project))
  return (
    <Panel title={t.service.alerts.title} isFlush>
      <Loaded query={query}>
        {(all) => {
          const mine = all.filter((one) => one.service === service && one.environment === environment)
          if (mine.length === 0) return <Empty>{t.service.alerts.none}</Empty>
          return (
            <ul className="m-0 list-none p-0">
              {mine.map((one) => (
                <Shown key={one.name} alert={one} />
              ))}
            </ul>
          )
        }}
      </Loaded>
    </Panel>
  )
}

const Shown = ({ alert: { name, when, do: does, state, since, events } }: { alert: Alert }) => (
  <li className="border-t border-line px-4 py-2.5">
    <span className="flex flex-wrap items-baseline gap-x-3 gap-y-1">
      <Badge tone={tones[state]}>{t.service.alerts.state[state]}</Badge>
      <Foreign className="font-medium">{name}</Foreign>
      <Foreign className="font-mono text-xs [overflow-wrap:anywhere]">{when}</Foreign>
      <span className="text-soft">
        {does.join(', ')}
        {since !== null && (
          <>
            {' '}
            <Time at={since} />
          </>
        )}
      </span>
    </span>
    {events.length > 0 && (
      <details>
        <summary className="py-1 text-accent">{t.service.alerts.events(events.length)}</summary>
        <ol className="m-0 list-none p-0">
          {events.map((event, at) => (
            // biome-ignore lint/suspicious/noArrayIndexKey: the same may have come of it twice at the same time
            <li key={at} className="flex flex-wrap gap-x-3 py-0.5 text-soft">
              <Time at={event.at} />
              <span className="text-ink">{event.event}</span>
              <Foreign>{event.detail}</Foreign>
            </li>
          ))}
        </ol>
      </details>
    )}
  </li>
)

import { useQuery } from '@tanstack/react-query'
import { useNavigate, useSearch } from '@tanstack/react-router'
import { learnedServices, zone as ownZone } from '../../api/learn-queries.ts'
import { Refusal } from '../../api/refusal.ts'
import { t } from '../../texts/en.ts'
import { textOf } from '../../ui/act.ts'
import { Field, Form } from '../../ui/form.tsx'
import { changedSearch } from '../../ui/search.ts'
import { Choice } from '../../ui/tabs.tsx'
import { dayAt, type Period, periodNames, type Range } from './range.ts'

/** What figures may be asked of: not every answer is of services, or in buckets. */
export type Filtered = { readonly ofServices: boolean; readonly inBuckets: boolean }

const own = 'days'

/** Whose figures, where, of which time and cut how; only what the answer that is shown takes. */
export const Filters = ({
  project,
  range,
  environment,
  filtered: { ofServices, inBuckets },
}: {
  project: string
  range: Range
  environment: string
  filtered: Filtered
}) => {
  const { service } = useSearch({ from: '/shell/projects/$project/insights' })
  const navigate = useNavigate({ from: '/projects/$project/insights' })
  const { data: places = [] } = useQuery(learnedServices(project))
  const go = (change: {
    service?: string | undefined
    environment?: string
    period?: Period
    from?: string | undefined
    to?: string | undefined
    zone?: string | undefined
    bucket?: string | undefined
  }) => void navigate({ search: (before) => changedSearch(before, { ...change, at: undefined }), replace: true })
  const names = [...new Set([...places.map((one) => one.service), ...(service === undefined ? [] : [service])])]
  const environmentNames = [...new Set([...places.map((one) => one.environment), environment])]
  const isOwn = range.period === null
  // Where they are cut matters to days only.
  const isCut = inBuckets || isOwn
  return (
    <fieldset aria-label={t.insights.filters} className="m-0 flex min-w-0 flex-wrap gap-2 border-0 p-0 max-sm:*:grow">
      {ofServices && (
        <>
          <Choice
            label={t.insights.service}
            value={service ?? ''}
            options={[
              { value: '', name: t.insights.allServices },
              ...names.toSorted().map((value) => ({ value, name: value })),
            ]}
            choose={(value) => go({ service: value === '' ? undefined : value })}
          />
          <Choice
            label={t.insights.environment}
            value={environment}
            options={environmentNames.map((value) => ({ value, name: value }))}
            choose={(value) => go({ environment: value })}
          />
        </>
      )}
      <Choice<Period | typeof own>
        label={t.insights.period}
        value={range.period ?? own}
        options={[
          ...periodNames.map((value) => ({ value, name: t.insights.periods[value] })),
          { value: own, name: t.insights.range.own },
        ]}
        choose={(value) =>
          // What is shown stays what it is until other days are named.
          value === own
            ? go({ from: range.from, to: range.to })
            : go({ period: value, from: undefined, to: undefined, bucket: undefined })
        }
      />
      {inBuckets && (
        <Choice
          label={t.insights.bucket}
          value={range.bucket}
          options={range.buckets.map((value) => ({
            value,
            name: `${t.insights.bucket} ${t.insights.buckets[value]}`,
          }))}
          choose={(value) => go({ bucket: value })}
        />
      )}
      {isCut && (
        <Choice
          label={t.insights.range.zone}
          value={range.zone}
          options={zonesWith(range.zone)}
          choose={(value) => go({ zone: value === ownZone() ? undefined : value })}
          className="max-w-56"
        />
      )}
    </fieldset>
  )
}

/** The viewer's own first. */
const zonesWith = (chosen: string) => {
  const mine = ownZone()
  const all = new Set([mine, 'UTC', chosen, ...Intl.supportedValuesOf('timeZone')])
  return [...all].map((value) => ({ value, name: value === mine ? t.insights.range.ownZone(value) : value }))
}

/** The first and the last day, asked for once both are there. */
export const Days = ({ range: { from, to, zone } }: { range: Range }) => {
  const navigate = useNavigate({ from: '/projects/$project/insights' })
  const texts = t.insights.range
  const today = dayAt(Date.now(), zone)
  return (
    <Form
      key={`${from} ${to}`}
      aria-label={texts.own}
      action={texts.show}
      kind="plain"
      className="mb-4 flex flex-wrap items-end gap-2"
      send={async (data) => {
        const days = { from: textOf(data, 'from'), to: textOf(data, 'to') }
        if (days.from > days.to)
          throw new Refusal({ kind: 'order', status: 0, detail: texts.lastFirst, next: null, path: 'to' })
        await navigate({ search: (before) => changedSearch(before, { ...days, at: undefined }), replace: true })
      }}
    >
      <Field
        name="from"
        label={texts.from}
        type="date"
        min="1970-01-02"
        max={later(to, today)}
        required
        defaultValue={from}
      />
      <Field
        name="to"
        label={texts.to}
        type="date"
        min="1970-01-02"
        max={later(to, today)}
        required
        defaultValue={to}
      />
    </Form>
  )
}

const later = (one: string, other: string): string => (one > other ? one : other)

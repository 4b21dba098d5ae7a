import { useQuery, useQueryClient } from '@tanstack/react-query'
import { useState } from 'react'
import { answer, api } from '../../api/client.ts'
import { type Asked, type Bucket, learnedServices, type Toil, toil, zone } from '../../api/learn-queries.ts'
import { useMay } from '../../shell/role.ts'
import { t } from '../../texts/en.ts'
import { textOf } from '../../ui/act.ts'
import { Confirm } from '../../ui/dialog.tsx'
import { Foreign } from '../../ui/foreign.tsx'
import { Field, Form, Select } from '../../ui/form.tsx'
import { count, percent, span } from '../../ui/format.ts'
import { momentIn } from '../../ui/moment.ts'
import { Button, Panel, Time } from '../../ui/parts.tsx'
import { Empty, Loaded, Skeleton } from '../../ui/states.tsx'
import { ActionsHead, Cell, TableBox } from '../../ui/table.tsx'
import { ExportBar } from './export.tsx'

const here = api.toil.projects[':project'].insights
const minuteMs = 60_000

/** Work by hand that a machine could do: how much of the time it takes, what to end first, and what people wrote down. */
export const ToilTab = ({ asked, bucket }: { asked: Asked; bucket: Bucket }) => {
  const { project } = asked
  const query = useQuery(toil(asked))
  const mayTell = useMay('developer', project)
  return (
    <div className="grid items-start gap-4 xl:grid-cols-[minmax(0,1fr)_20rem]">
      <Loaded query={query} waiting={<Skeleton rows={4} rowClass="h-24" />}>
        {(answer) => (
          <div className="flex min-w-0 flex-col gap-4">
            <ExportBar {...{ asked, bucket, answer, span: answer.span }} what="toil" zone={asked.zone ?? zone()} />
            <Standing project={project} answer={answer} />
            <Candidates all={answer.candidates} />
            <Log project={project} log={answer.log} mayTell={mayTell} />
          </div>
        )}
      </Loaded>
      {mayTell && <Add project={project} />}
    </div>
  )
}

const Standing = ({
  project,
  answer: { share, line, hoursPerWeek, minutes, entries, pagesPerWeek },
}: {
  project: string
  answer: Toil
}) => {
  const maySet = useMay('operator', project)
  const queries = useQueryClient()
  const [isAsked, setIsAsked] = useState(false)
  const isOver = share !== null && share > line
  return (
    <div className="grid gap-4 [grid-template-columns:repeat(auto-fit,minmax(min(14rem,100%),1fr))]">
      <Panel
        title={t.toil.share}
        className="sm:col-span-2"
        aside={
          maySet && <Button onClick={() => setIsAsked(true)}>{hoursPerWeek === null ? t.toil.say : t.toil.set}</Button>
        }
      >
        {share === null ? (
          <p className="m-0 text-soft">{t.toil.unknown}</p>
        ) : (
          <>
            <p className="m-0 text-xl leading-7 font-semibold tracking-tight">{percent(share)}</p>
            <div aria-hidden="true" className="relative my-2 h-4 overflow-hidden rounded-sm bg-sunk">
              <span
                className={`block h-full min-w-0.5 ${isOver ? 'bg-bad' : 'bg-accent'}`}
                style={{ width: `${Math.min(100, 100 * share)}%` }}
              />
              <span className="absolute inset-y-0 w-0.5 bg-ink" style={{ left: `${100 * line}%` }} />
            </div>
            <p className={`m-0 ${isOver ? 'text-bad' : 'text-soft'}`}>
              {isOver ? t.toil.over : t.toil.under} ({t.toil.line(percent(line))})
            </p>
          </>
        )}
        {hoursPerWeek !== null && (
          <p className="m-0 text-soft">
            {t.toil.hours}: {count(hoursPerWeek)}
          </p>
        )}
      </Panel>
      <Panel title={t.toil.logged}>
        <p className="m-0 text-xl leading-7 font-semibold tracking-tight">{span(minutes * minuteMs)}</p>
        <p className="m-0 text-soft">{t.toil.entries(count(entries))}</p>
      </Panel>
      <Panel title={t.toil.pages}>
        <p className="m-0 text-xl leading-7 font-semibold tracking-tight">{Math.round(pagesPerWeek * 10) / 10}</p>
        <p className="m-0 text-soft">{t.toil.pagesDetail}</p>
      </Panel>
      {isAsked && (
        <Confirm
          title={t.toil.hoursTitle}
          detail={t.toil.hoursDetail}
          action={t.toil.set}
          close={() => setIsAsked(false)}
          act={async (data) => {
            const hours = Number(textOf(data, 'hours'))
            await answer(here['toil-capacity'].$put({ param: { project }, json: { hoursPerWeek: hours } }))
            await queries.invalidateQueries({ queryKey: ['insights'] })
          }}
        >
          <Field
            name="hours"
            label={t.toil.hours}
            type="number"
            min={1}
            max={100_000}
            required
            defaultValue={hoursPerWeek ?? ''}
          />
        </Confirm>
      )}
    </div>
  )
}

const Candidates = ({ all }: { all: Toil['candidates'] }) => (
  <Panel title={t.toil.candidates} isFlush>
    {all.length === 0 ? (
      <Empty>{t.toil.noCandidates}</Empty>
    ) : (
      <TableBox label={t.toil.candidates}>
        <thead>
          <tr>
            <th>{t.toil.columns.what}</th>
            <th>{t.toil.columns.source}</th>
            <th className="text-right!">{t.toil.columns.times}</th>
            <th className="text-right!">{t.toil.columns.minutes}</th>
          </tr>
        </thead>
        <tbody>
          {all.map(({ what, source, times, minutes }) => (
            <tr key={`${source} ${what}`}>
              <Cell fold="title" className="w-full min-w-40">
                <Foreign>{what}</Foreign>
              </Cell>
              <Cell className="whitespace-nowrap text-soft">{t.toil.source[source]}</Cell>
              <Cell label={t.toil.columns.times} className="text-right">
                {count(times)}
              </Cell>
              <Cell label={t.toil.columns.minutes} className="text-right whitespace-nowrap">
                {minutes === null ? '–' : span(minutes * minuteMs)}
              </Cell>
            </tr>
          ))}
        </tbody>
      </TableBox>
    )}
  </Panel>
)

const Log = ({ project, log, mayTell }: { project: string; log: Toil['log']; mayTell: boolean }) => {
  const queries = useQueryClient()
  const [removed, setRemoved] = useState<Toil['log'][number] | null>(null)
  return (
    <Panel title={t.toil.log} isFlush>
      {log.length === 0 ? (
        <Empty>{t.toil.noLog}</Empty>
      ) : (
        <TableBox label={t.toil.log}>
          <thead>
            <tr>
              <th>{t.toil.columns.what}</th>
              <th>{t.toil.columns.service}</th>
              <th className="text-right!">{t.toil.columns.minutes}</th>
              <th className="text-right!">{t.toil.columns.when}</th>
              {mayTell && <ActionsHead />}
            </tr>
          </thead>
          <tbody>
            {log.map((one) => (
              <tr key={one.toil}>
                <Cell fold="title" className="w-full min-w-40">
                  <Foreign>{one.what}</Foreign>
                </Cell>
                <Cell label={t.toil.columns.service} className="whitespace-nowrap">
                  {one.service ?? '–'}
                </Cell>
                <Cell className="text-right whitespace-nowrap">{span(one.minutes * minuteMs)}</Cell>
                <Cell className="text-right text-soft">
                  <Time at={one.at} />
                </Cell>
                {mayTell && (
                  <Cell fold="actions" className="text-right">
                    <Button onClick={() => setRemoved(one)} aria-label={`${t.toil.remove} ${one.what}`}>
                      {t.toil.remove}
                    </Button>
                  </Cell>
                )}
              </tr>
            ))}
          </tbody>
        </TableBox>
      )}
      {removed && (
        <Confirm
          title={t.toil.removeTitle}
          detail={
            <>
              <Foreign>{removed.what}</Foreign>. {t.toil.removeDetail}
            </>
          }
          action={t.toil.remove}
          isDangerous
          close={() => setRemoved(null)}
          act={async () => {
            await answer(here.toil[':toil'].$delete({ param: { project, toil: removed.toil } }))
            await queries.invalidateQueries({ queryKey: ['insights'] })
          }}
        />
      )}
    </Panel>
  )
}

const Add = ({ project }: { project: string }) => {
  const queries = useQueryClient()
  const { data: places = [] } = useQuery(learnedServices(project))
  const names = [...new Set(places.map(({ service }) => service))].toSorted()
  return (
    <Panel title={t.toil.add}>
      <Form
        action={t.toil.add}
        send={async (data) => {
          const told = { what: textOf(data, 'what'), minutes: Number(textOf(data, 'minutes')) }
          const rest = { service: textOf(data, 'service') || null, at: momentIn(textOf(data, 'at')) }
          await answer(here.toil.$post({ param: { project }, json: { ...told, ...rest } }))
          await queries.invalidateQueries({ queryKey: ['insights'] })
        }}
      >
        <Field name="what" label={t.toil.what} placeholder={t.toil.whatHint} required maxLength={200} />
        <Field name="minutes" label={t.toil.minutes} type="number" min={1} max={10_000} required />
        <Select name="service" label={t.toil.service} options={['', ...names]} names={{ '': t.toil.noService }} />
        <Field name="at" label={t.toil.at} type="datetime-local" hint={t.toil.atHint} />
      </Form>
    </Panel>
  )
}

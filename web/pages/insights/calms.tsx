import { useQuery } from '@tanstack/react-query'
import { type Asked, type Bucket, type Calms, calms, zone } from '../../api/learn-queries.ts'
import { t } from '../../texts/en.ts'
import { percent, span } from '../../ui/format.ts'
import { Panel, Time } from '../../ui/parts.tsx'
import { Loaded, Skeleton } from '../../ui/states.tsx'
import { ExportBar } from './export.tsx'
import { Surveys } from './surveys.tsx'

const parts = ['automation', 'lean', 'measurement', 'sharing'] as const
type Measure = Calms['lean'][number]

/** How a team works: what can be measured of it, and what people say of it. */
export const CalmsTab = ({ asked, bucket }: { asked: Asked; bucket: Bucket }) => {
  const query = useQuery(calms(asked))
  return (
    <Loaded query={query} waiting={<Skeleton rows={4} rowClass="h-24" />}>
      {(answer) => (
        <div className="flex flex-col gap-4">
          <ExportBar {...{ asked, bucket, answer, span: answer.span }} what="calms" zone={asked.zone ?? zone()} />
          <Culture project={asked.project} culture={answer.culture} />
          <div className="grid items-start gap-4 [grid-template-columns:repeat(auto-fit,minmax(min(22rem,100%),1fr))]">
            {parts.map((part) => (
              <Panel key={part} title={t.calms.parts[part]}>
                <ul className="m-0 flex list-none flex-col gap-4 p-0">
                  {answer[part].map((measure) => (
                    <Shown key={measure.name} measure={measure} />
                  ))}
                </ul>
              </Panel>
            ))}
          </div>
        </div>
      )}
    </Loaded>
  )
}

const Shown = ({ measure: { name, unit, value, n, before, why } }: { measure: Measure }) => (
  <li>
    <h3 className="m-0 text-xs font-normal text-soft">{t.calms.measure[name]}</h3>
    <p className={`m-0 ${value === null ? 'text-soft' : 'text-lg leading-7 font-semibold tracking-tight'}`}>
      {value === null ? t.insights.noData : valueText(value, unit)}
    </p>
    <p className="m-0 text-soft">
      {why ?? [t.insights.n(`${n}`), ...(before === null ? [] : [t.calms.before(valueText(before, unit))])].join(', ')}
    </p>
  </li>
)

const valueText = (value: number, unit: Measure['unit']): string =>
  unit === 'share' ? percent(value) : unit === 'ms' ? span(value) : String(Math.round(value * 10) / 10)

const Culture = ({ project, culture: { last, before, why } }: { project: string; culture: Calms['culture'] }) => (
  <Panel title={t.calms.culture}>
    <p className="mt-0 mb-4 text-soft">{t.calms.cultureDetail}</p>
    {last === null ? (
      <p className="m-0 mb-4">{why}</p>
    ) : (
      <>
        <p className="m-0 mb-4">
          {last.result.mean !== null && <strong className="text-xl">{t.calms.mean(oneDigit(last.result.mean))}</strong>}{' '}
          <span className="text-soft">
            {t.calms.answers(last.answers)}, <Time at={last.closedAt} />
            {before?.result.mean != null && `, ${t.calms.before(t.calms.mean(oneDigit(before.result.mean)))}`}
          </span>
        </p>
        <ul className="m-0 mb-4 flex list-none flex-col gap-3 p-0">
          {last.result.statements.map(({ statement, sum }) => (
            <li key={statement} className="grid items-center gap-x-4 gap-y-1 sm:grid-cols-[minmax(0,1fr)_12rem_6rem]">
              <span>{statement}</span>
              <span aria-hidden="true" className="h-4 rounded-sm bg-sunk">
                <span
                  className="block h-full rounded-sm bg-accent"
                  style={{ width: `${sum ? (100 * (sum.mean - 1)) / 6 : 0}%` }}
                />
              </span>
              <span className="text-soft sm:text-right">
                {sum ? t.calms.mean(oneDigit(sum.mean)) : t.insights.noData}
              </span>
            </li>
          ))}
        </ul>
      </>
    )}
    <Surveys project={project} />
  </Panel>
)

const oneDigit = (value: number): string => String(Math.round(value * 10) / 10)

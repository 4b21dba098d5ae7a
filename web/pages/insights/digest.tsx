import { useQuery, useQueryClient } from '@tanstack/react-query'
import { useState } from 'react'
import { answer, api } from '../../api/client.ts'
import { digest, digestSchedule, zone } from '../../api/learn-queries.ts'
import { useMay } from '../../shell/role.ts'
import { t } from '../../texts/en.ts'
import { textOf } from '../../ui/act.ts'
import { Field, Form, Select } from '../../ui/form.tsx'
import { Markdown } from '../../ui/markdown.tsx'
import { Button, CopyButton, Panel } from '../../ui/parts.tsx'
import { save } from '../../ui/save.ts'
import { Loaded, Skeleton } from '../../ui/states.tsx'

const weekMs = 7 * 86_400_000

/** What a week came to, as people read it on Monday; its Markdown to be taken along, and when it is written by itself. */
export const DigestTab = ({ project }: { project: string }) => {
  const [weeks, setWeeks] = useState(0)
  const [newest] = useState(() => Date.now())
  const until = newest - weeks * weekMs
  const query = useQuery(digest(project, until))
  const maySet = useMay('operator', project)
  const markdown = query.data?.markdown
  return (
    <div className="grid items-start gap-4 xl:grid-cols-[minmax(0,1fr)_20rem]">
      <Panel
        title={t.digest.title}
        aside={
          <>
            <Button onClick={() => setWeeks(weeks + 1)}>{t.digest.earlier}</Button>
            <Button disabled={weeks === 0} onClick={() => setWeeks(weeks - 1)}>
              {t.digest.later}
            </Button>
            {markdown !== undefined && (
              <>
                <CopyButton text={markdown} label={t.digest.copy} />
                <Button onClick={() => save(`digest-${project}.md`, 'text/markdown', markdown)}>
                  {t.digest.download}
                </Button>
              </>
            )}
          </>
        }
      >
        <Loaded query={query} waiting={<Skeleton rows={8} />}>
          {(known) => (
            <article className="max-w-[72ch]">
              <Markdown text={known.markdown} />
            </article>
          )}
        </Loaded>
      </Panel>
      <Schedule project={project} maySet={maySet} />
    </div>
  )
}

const days = ['0', '1', '2', '3', '4', '5', '6', '7'] as const

/** When it is written every week by itself: seen by everybody, said by operators. */
const Schedule = ({ project, maySet }: { project: string; maySet: boolean }) => {
  const query = useQuery(digestSchedule(project))
  const queries = useQueryClient()
  return (
    <Panel title={t.digest.schedule}>
      <Loaded query={query}>
        {({ schedule }) => (
          <>
            <p className="m-0 mb-4">
              {schedule === null
                ? t.digest.never
                : t.digest.written(t.digest.days[schedule.day - 1] ?? '', schedule.hour, schedule.zone)}
            </p>
            <p className="m-0 mb-4 text-soft">{t.digest.where}</p>
            {maySet && (
              <Form
                key={JSON.stringify(schedule)}
                action={t.settings.save}
                send={async (data) => {
                  const day = Number(textOf(data, 'day'))
                  const wish = { day, hour: Number(textOf(data, 'hour')), zone: textOf(data, 'zone') }
                  await answer(
                    api.digest.projects[':project'].insights['digest-schedule'].$put({
                      param: { project },
                      json: { schedule: day === 0 ? null : wish },
                    }),
                  )
                  await queries.invalidateQueries({ queryKey: ['insights', project, 'digest-schedule'] })
                }}
              >
                <Select
                  name="day"
                  label={t.digest.every}
                  value={days[schedule?.day ?? 0]}
                  options={days}
                  names={Object.fromEntries(days.map((day) => [day, t.digest.days[Number(day) - 1] ?? t.digest.noDay]))}
                />
                <Field
                  name="hour"
                  label={t.digest.hour}
                  type="number"
                  min={0}
                  max={23}
                  required
                  defaultValue={schedule?.hour ?? 8}
                />
                <Field name="zone" label={t.settings.timezone} required defaultValue={schedule?.zone ?? zone()} />
              </Form>
            )}
          </>
        )}
      </Loaded>
    </Panel>
  )
}

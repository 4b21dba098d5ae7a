import { useQuery, useQueryClient } from '@tanstack/react-query'
import { useState } from 'react'
import { answer, api } from '../../api/client.ts'
import { type Survey, surveys } from '../../api/learn-queries.ts'
import { useMay } from '../../shell/role.ts'
import { t } from '../../texts/en.ts'
import { textOf } from '../../ui/act.ts'
import { Confirm, Dialog } from '../../ui/dialog.tsx'
import { Field } from '../../ui/form.tsx'
import { Badge, Button, Command, Time } from '../../ui/parts.tsx'
import { Loaded } from '../../ui/states.tsx'

const here = api.surveys.projects[':project'].surveys

/** The surveys of a project; opening one gives its links, once. */
export const Surveys = ({ project }: { project: string }) => {
  const query = useQuery(surveys(project))
  const mayAsk = useMay('operator', project)
  const queries = useQueryClient()
  const [isAsking, setIsAsking] = useState(false)
  const [links, setLinks] = useState<readonly string[] | null>(null)
  const [closed, setClosed] = useState<Survey | null>(null)
  const fresh = async (): Promise<void> => {
    await queries.invalidateQueries({ queryKey: ['surveys'] })
    await queries.invalidateQueries({ queryKey: ['insights'] })
  }
  return (
    <section>
      <div className="flex flex-wrap items-center justify-between gap-2">
        <h3 className="m-0 text-sm font-semibold">{t.calms.surveys}</h3>
        {mayAsk && <Button onClick={() => setIsAsking(true)}>{t.calms.open}</Button>}
      </div>
      <Loaded query={query}>
        {(all) =>
          all.length === 0 ? (
            <p className="m-0 mt-2 text-soft">{t.calms.noSurveys}</p>
          ) : (
            <ul className="m-0 mt-2 list-none p-0">
              {all.map((one) => (
                <li
                  key={one.survey}
                  className="flex min-h-12 flex-wrap items-center gap-x-4 gap-y-1 border-t border-line py-2"
                >
                  <Badge tone={one.state === 'open' ? 'busy' : 'calm'}>{t.calms.state[one.state]}</Badge>
                  <Time at={one.openedAt} />
                  <span className="flex-1 text-soft">
                    {t.calms.asked(one.links)}
                    {one.answers !== null && `, ${t.calms.answers(one.answers)}`}
                    {one.state === 'closed' && one.result === null && `, ${t.calms.noAnswers}`}
                    {one.state === 'open' && (
                      <>
                        , {t.calms.until} <Time at={one.closesAt} />
                      </>
                    )}
                  </span>
                  {mayAsk && one.state === 'open' && <Button onClick={() => setClosed(one)}>{t.calms.close}</Button>}
                </li>
              ))}
            </ul>
          )
        }
      </Loaded>
      {isAsking && (
        <Confirm
          title={t.calms.openTitle}
          detail={t.calms.openDetail}
          action={t.calms.open}
          close={() => setIsAsking(false)}
          act={async (data) => {
            const json = { links: Number(textOf(data, 'links')), days: Number(textOf(data, 'days')) }
            const made = await answer(here.$post({ param: { project }, json }))
            setLinks(made.links)
            await fresh()
          }}
        >
          <Field name="links" label={t.calms.links} type="number" min={5} max={1_000} required defaultValue={10} />
          <Field name="days" label={t.calms.days} type="number" min={1} max={90} required defaultValue={14} />
        </Confirm>
      )}
      {links !== null && (
        <Dialog title={t.calms.linksTitle} close={() => setLinks(null)}>
          <div className="flex flex-col gap-3 px-5 pt-2 pb-5">
            <p className="m-0 text-soft">{t.calms.linksOnce}</p>
            <div className="flex max-h-80 flex-col gap-2 overflow-y-auto">
              {links.map((link) => (
                <Command key={link} text={link} />
              ))}
            </div>
            <div className="flex justify-end gap-2">
              <Button onClick={() => void navigator.clipboard.writeText(links.join('\n'))}>{t.calms.copyAll}</Button>
              <Button onClick={() => setLinks(null)}>{t.shell.close}</Button>
            </div>
          </div>
        </Dialog>
      )}
      {closed && (
        <Confirm
          title={t.calms.closeTitle}
          detail={t.calms.closeDetail}
          action={t.calms.close}
          close={() => setClosed(null)}
          act={async () => {
            await answer(here[':survey'].close.$post({ param: { project, survey: closed.survey } }))
            await fresh()
          }}
        />
      )}
    </section>
  )
}

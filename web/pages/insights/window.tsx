import { useQuery, useQueryClient } from '@tanstack/react-query'
import { useState } from 'react'
import { answer, api } from '../../api/client.ts'
import { attributionWindow } from '../../api/learn-queries.ts'
import { useMay } from '../../shell/role.ts'
import { t } from '../../texts/en.ts'
import { textOf } from '../../ui/act.ts'
import { Confirm } from '../../ui/dialog.tsx'
import { Field } from '../../ui/form.tsx'
import { span } from '../../ui/format.ts'
import { Button } from '../../ui/parts.tsx'

const hourMs = 3_600_000

/** How long after a deployment an incident of its service is suspected to come from it: seen by everybody, said by operators. */
export const Window = ({ project }: { project: string }) => {
  const { data } = useQuery(attributionWindow(project))
  const maySet = useMay('operator', project)
  const queries = useQueryClient()
  const [isAsked, setIsAsked] = useState(false)
  if (data === undefined) return null
  return (
    <div className="flex flex-wrap items-center gap-x-4 gap-y-2 text-soft">
      <span>{t.insights.window.said(span(data.windowMs))}</span>
      {maySet && <Button onClick={() => setIsAsked(true)}>{t.insights.window.change}</Button>}
      {isAsked && (
        <Confirm
          title={t.insights.window.title}
          detail={t.insights.window.detail}
          action={t.settings.save}
          close={() => setIsAsked(false)}
          act={async (form) => {
            const windowMs = Math.round(Number(textOf(form, 'hours')) * hourMs)
            await answer(
              api.insights.projects[':project'].insights['attribution-window'].$put({
                param: { project },
                json: { windowMs },
              }),
            )
            for (const key of ['insights', 'incidents']) await queries.invalidateQueries({ queryKey: [key] })
          }}
        >
          <Field
            name="hours"
            label={t.insights.window.hours}
            type="number"
            min={0}
            max={720}
            step="any"
            required
            defaultValue={data.windowMs / hourMs}
          />
        </Confirm>
      )}
    </div>
  )
}

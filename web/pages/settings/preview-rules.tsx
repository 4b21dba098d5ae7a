import { useQuery, useQueryClient } from '@tanstack/react-query'
import { answer, api } from '../../api/client.ts'
import { previewRules } from '../../api/learn-queries.ts'
import { useMay } from '../../shell/role.ts'
import { t } from '../../texts/en.ts'
import { textOf } from '../../ui/act.ts'
import { Check, Field, Form, wordsOf } from '../../ui/form.tsx'
import { span } from '../../ui/format.ts'
import { Panel } from '../../ui/parts.tsx'
import { Loaded } from '../../ui/states.tsx'

const dayMs = 86_400_000

/** What guards the previews of a project: seen by everybody, said by operators. */
export const PreviewRules = ({ project }: { project: string }) => {
  const query = useQuery(previewRules(project))
  const maySet = useMay('operator', project)
  const queries = useQueryClient()
  return (
    <Panel title={t.previews.rules.title}>
      <Loaded query={query}>
        {({ isEnabled, quota, maxAgeMs, copyFrom }) =>
          maySet ? (
            <Form
              key={JSON.stringify([isEnabled, quota, maxAgeMs, copyFrom])}
              action={t.settings.save}
              send={async (data) => {
                const json = {
                  isEnabled: data.get('isEnabled') !== null,
                  quota: Number(textOf(data, 'quota')),
                  maxAgeMs: Number(textOf(data, 'days')) * dayMs,
                  copyFrom: wordsOf(textOf(data, 'copyFrom')),
                }
                await answer(api.previews.projects[':project']['preview-rules'].$put({ param: { project }, json }))
                await queries.invalidateQueries({ queryKey: ['previews'] })
              }}
            >
              <div className="grid items-end gap-4 [grid-template-columns:repeat(auto-fit,minmax(min(14rem,100%),1fr))]">
                <Check name="isEnabled" label={t.previews.rules.enabled} isOn={isEnabled} />
                <Field
                  name="quota"
                  label={t.previews.rules.quota}
                  type="number"
                  min={0}
                  max={1000}
                  required
                  defaultValue={quota}
                />
                <Field
                  name="days"
                  label={t.previews.rules.days}
                  type="number"
                  min={0.01}
                  max={365}
                  step="any"
                  required
                  defaultValue={maxAgeMs / dayMs}
                />
                <Field
                  name="copyFrom"
                  label={t.previews.rules.copyFrom}
                  autoCapitalize="none"
                  defaultValue={copyFrom.join(', ')}
                />
              </div>
              <p className="m-0 text-xs text-soft">{t.previews.rules.copyHint}</p>
            </Form>
          ) : (
            <p className="m-0">
              {isEnabled
                ? t.previews.rules.shown(quota, span(maxAgeMs), copyFrom.join(', '))
                : t.previews.rules.disabled}
            </p>
          )
        }
      </Loaded>
    </Panel>
  )
}

import { useQuery, useQueryClient } from '@tanstack/react-query'
import { Link } from '@tanstack/react-router'
import { answer, api } from '../../api/client.ts'
import { protectedEnvironments } from '../../api/deployment-queries.ts'
import { useMay } from '../../shell/role.ts'
import { t } from '../../texts/en.ts'
import { textOf } from '../../ui/act.ts'
import { Foreign } from '../../ui/foreign.tsx'
import { Check, Field, Form, wordsOf } from '../../ui/form.tsx'
import { Panel } from '../../ui/parts.tsx'
import { Empty, Loaded } from '../../ui/states.tsx'
import { Cell, TableBox } from '../../ui/table.tsx'

/** What jobs of pipelines need that name an environment, and which wait for it. */
export const Protected = ({ project }: { project: string }) => {
  const query = useQuery(protectedEnvironments(project))
  const maySet = useMay('operator', project)
  return (
    <Panel title={t.approvals.protected} isFlush>
      <p className="m-0 px-4 pb-3 text-soft">{t.approvals.protectedDetail}</p>
      <Loaded query={query}>
        {({ environments: all }) =>
          all.length === 0 ? (
            <Empty>{t.approvals.protectedNone}</Empty>
          ) : (
            <TableBox label={t.approvals.protected}>
              <thead>
                <tr>
                  <th>{t.approvals.environment}</th>
                  <th>{t.table.state}</th>
                  <th>{t.approvals.refs}</th>
                  <th>{t.approvals.waiting}</th>
                </tr>
              </thead>
              <tbody>
                {all.map(({ environment, needsApproval, allowsOwnApproval, refs, waiting }) => (
                  <tr key={environment}>
                    <Cell fold="title">
                      <Foreign className="font-medium">{environment}</Foreign>
                    </Cell>
                    <Cell fold="line" className="w-full min-w-56">
                      {!needsApproval
                        ? t.approvals.notNeeded
                        : allowsOwnApproval
                          ? t.approvals.needed
                          : t.approvals.neededOther}
                    </Cell>
                    <Cell label={t.approvals.refs}>
                      <Foreign>{refs === null ? t.approvals.allRefs : refs.join(', ')}</Foreign>
                    </Cell>
                    <Cell label={t.approvals.waiting} className="whitespace-nowrap">
                      {waiting.map(({ run, job, name }) => (
                        <Link
                          key={`${run} ${job}`}
                          to="/projects/$project/runs/$run"
                          params={{ project, run }}
                          className="mr-3 text-accent"
                        >
                          <Foreign>{name}</Foreign>
                        </Link>
                      ))}
                    </Cell>
                  </tr>
                ))}
              </tbody>
            </TableBox>
          )
        }
      </Loaded>
      {maySet && <Protect project={project} />}
    </Panel>
  )
}

const Protect = ({ project }: { project: string }) => {
  const queries = useQueryClient()
  return (
    <Form
      action={t.approvals.protect}
      className="flex flex-col gap-4 border-t border-line p-4"
      send={async (data) => {
        const refs = wordsOf(textOf(data, 'refs'))
        await answer(
          api.requests.projects[':project']['pipeline-environments'][':environment'].protection.$put({
            param: { project, environment: textOf(data, 'environment') },
            json: {
              needsApproval: data.get('needsApproval') !== null,
              allowsOwnApproval: data.get('allowsOwnApproval') !== null,
              refs: refs.length === 0 ? null : refs,
            },
          }),
        )
        await queries.invalidateQueries({ queryKey: ['protected'] })
      }}
    >
      <div className="grid gap-4 [grid-template-columns:repeat(auto-fit,minmax(min(14rem,100%),1fr))]">
        <Field name="environment" label={t.approvals.environment} required maxLength={255} autoCapitalize="none" />
        <Field name="refs" label={t.approvals.refs} hint={t.approvals.refsHint} autoCapitalize="none" />
        <span>
          <Check name="needsApproval" label={t.approvals.needsApproval} isOn />
          <Check name="allowsOwnApproval" label={t.approvals.allowsOwn} isOn={false} />
        </span>
      </div>
    </Form>
  )
}

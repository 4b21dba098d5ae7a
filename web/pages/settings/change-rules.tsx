import { useQuery, useQueryClient } from '@tanstack/react-query'
import { useState } from 'react'
import { answer, api } from '../../api/client.ts'
import { changeRules, type ChangeRules as Rules } from '../../api/keep-queries.ts'
import { t } from '../../texts/en.ts'
import { textOf } from '../../ui/act.ts'
import { Dialog } from '../../ui/dialog.tsx'
import { Foreign } from '../../ui/foreign.tsx'
import { Area, Check, Field, Form, linesOf, Select } from '../../ui/form.tsx'
import { Button, Panel } from '../../ui/parts.tsx'
import { Loaded } from '../../ui/states.tsx'

const here = api.changes.projects[':project']
const methods = ['merge', 'squash', 'rebase'] as const
const kinds = ['every', 'none', 'these'] as const
type Kind = (typeof kinds)[number]

/** What the changes of all repositories must have that have no rules of their own. */
export const ProjectRules = ({ project, mayEdit }: { project: string; mayEdit: boolean }) => {
  const query = useQuery(changeRules(project, null))
  const [isOpen, setIsOpen] = useState(false)
  return (
    <Panel title={t.repositories.rulesOf(null)}>
      <p className="mt-0 mb-3 text-soft">{t.repositories.project}</p>
      <Loaded query={query}>{(rules) => <Told rules={rules} />}</Loaded>
      {mayEdit && (
        <Button className="mt-4" onClick={() => setIsOpen(true)}>
          {t.repositories.rules}
        </Button>
      )}
      {isOpen && <ChangeRules project={project} repository={null} mayEdit close={() => setIsOpen(false)} />}
    </Panel>
  )
}

/** The rules of a repository, or with null of its project: told to everybody, changed by who may. */
export const ChangeRules = ({
  project,
  repository,
  mayEdit,
  close,
}: {
  project: string
  repository: string | null
  mayEdit: boolean
  close: () => void
}) => {
  const query = useQuery(changeRules(project, repository))
  return (
    <Dialog title={t.repositories.rulesOf(repository)} close={close}>
      <div className="flex flex-col gap-4 px-5 pt-2 pb-5">
        <p className="m-0 text-soft">{t.repositories.rulesDetail}</p>
        <Loaded query={query}>
          {(rules) =>
            mayEdit ? (
              <Edit project={project} repository={repository} rules={rules} close={close} />
            ) : (
              <>
                <Told rules={rules} />
                <Button className="self-end" onClick={close}>
                  {t.shell.close}
                </Button>
              </>
            )
          }
        </Loaded>
      </div>
    </Dialog>
  )
}

const Edit = ({
  project,
  repository,
  rules,
  close,
}: {
  project: string
  repository: string | null
  rules: Rules
  close: () => void
}) => {
  const queries = useQueryClient()
  const [kind, setKind] = useState<Kind>(kindOf(rules))
  return (
    <Form
      action={t.repositories.save}
      cancel={close}
      send={async (data) => {
        const json = { ...readRules(data), requiredChecks: checksOf(kind, textOf(data, 'requiredChecks')) }
        await answer(
          repository === null
            ? here['change-rules'].$put({ param: { project }, json })
            : here.repositories[':repository']['change-rules'].$put({ param: { project, repository }, json }),
        )
        await queries.invalidateQueries({ queryKey: ['repositories'] })
        close()
      }}
    >
      <Select
        name="checks"
        label={t.repositories.checks}
        options={kinds}
        names={t.repositories.checksKind}
        value={kind}
        choose={(chosen) => setKind(kinds.find((one) => one === chosen) ?? 'every')}
      />
      {kind === 'these' && (
        <Area
          name="requiredChecks"
          label={t.repositories.checksThese}
          hint={t.repositories.checksHint}
          value={(rules.requiredChecks ?? []).join('\n')}
          isRequired
        />
      )}
      <div className="grid items-start gap-4 sm:grid-cols-2">
        <Field
          name="approvals"
          label={t.repositories.approvals}
          hint={t.repositories.approvalsHint}
          type="number"
          min={0}
          max={20}
          required
          defaultValue={rules.approvals}
        />
        <Select
          name="method"
          label={t.repositories.method}
          options={methods}
          names={t.repositories.methods}
          value={rules.method}
        />
      </div>
      <span>
        {flags.map((name) => (
          <Check key={name} name={name} label={t.repositories[name]} isOn={rules[name]} />
        ))}
      </span>
      {repository !== null && <p className="m-0 text-xs text-soft">{t.repositories.rulesOwn}</p>}
    </Form>
  )
}

const flags = ['keepApprovals', 'holdOnRed', 'trustDevelopers'] as const

const kindOf = ({ requiredChecks }: Rules): Kind =>
  requiredChecks === null ? 'every' : requiredChecks.length === 0 ? 'none' : 'these'

const checksOf = (kind: Kind, text: string): string[] | null =>
  kind === 'every' ? null : kind === 'none' ? [] : linesOf(text)

const readRules = (data: FormData) => ({
  approvals: Number(textOf(data, 'approvals')),
  method: methods.find((one) => one === textOf(data, 'method')) ?? 'merge',
  keepApprovals: data.get('keepApprovals') !== null,
  holdOnRed: data.get('holdOnRed') !== null,
  trustDevelopers: data.get('trustDevelopers') !== null,
})

const Told = ({ rules }: { rules: Rules }) => (
  <dl className="m-0 grid grid-cols-[1fr_auto] gap-x-4 gap-y-1 [&_dd]:text-right">
    <dt className="text-soft">{t.repositories.checks}</dt>
    <dd className="m-0">
      {kindOf(rules) === 'these' ? (
        <Foreign>{(rules.requiredChecks ?? []).join(', ')}</Foreign>
      ) : (
        t.repositories.checksKind[kindOf(rules)]
      )}
    </dd>
    <dt className="text-soft">{t.repositories.approvals}</dt>
    <dd className="m-0">{rules.approvals}</dd>
    <dt className="text-soft">{t.repositories.method}</dt>
    <dd className="m-0">{t.repositories.methods[rules.method]}</dd>
    {flags.map((name) => (
      <div key={name} className="contents">
        <dt className="text-soft">{t.repositories[name]}</dt>
        <dd className="m-0">{rules[name] ? t.repositories.yes : t.repositories.no}</dd>
      </div>
    ))}
  </dl>
)

import { useQuery, useQueryClient } from '@tanstack/react-query'
import { useState } from 'react'
import { answer, api } from '../../api/client.ts'
import type { Repository } from '../../api/keep-queries.ts'
import { repositories } from '../../api/queries.ts'
import { useMay } from '../../shell/role.ts'
import { t } from '../../texts/en.ts'
import { textOf } from '../../ui/act.ts'
import { Confirm, Made } from '../../ui/dialog.tsx'
import { Foreign } from '../../ui/foreign.tsx'
import { Check, Field, Form, NameField, Select, wordsOf } from '../../ui/form.tsx'
import { Button, Panel, Time } from '../../ui/parts.tsx'
import { Empty, Loaded } from '../../ui/states.tsx'
import { ActionsHead, Cell, TableBox } from '../../ui/table.tsx'
import { ChangeRules, ProjectRules } from './change-rules.tsx'
import { Refs } from './refs.tsx'

const one = api.code.projects[':project'].repositories[':repository']
const pushers = ['developer', 'operator', 'administrator', 'nobody'] as const

/** The repositories, what of them is kept safe, and what their changes must have. */
export const RepositoriesTab = ({ project }: { project: string }) => {
  const query = useQuery(repositories(project))
  const mayCreate = useMay('developer', project)
  const mayGuard = useMay('operator', project)
  const [guarded, setGuarded] = useState<Repository | null>(null)
  const [listed, setListed] = useState<string | null>(null)
  const [ruled, setRuled] = useState<string | null>(null)
  return (
    <div className="grid items-start gap-4 2xl:grid-cols-[minmax(0,1fr)_22rem]">
      <Panel title={t.repositories.title} isFlush>
        <Loaded query={query}>
          {(all) =>
            all.length === 0 ? (
              <Empty>{t.repositories.none}</Empty>
            ) : (
              <TableBox label={t.repositories.title}>
                <thead>
                  <tr>
                    <th>{t.repositories.repository}</th>
                    <th>{t.repositories.kept}</th>
                    <th>{t.repositories.pushes}</th>
                    <th className="text-right!">{t.repositories.pushed}</th>
                    <ActionsHead />
                  </tr>
                </thead>
                <tbody>
                  {all.map((known) => (
                    <tr key={known.repository}>
                      <Cell fold="title" className="min-w-32 font-medium">
                        {known.repository}
                      </Cell>
                      <Cell label={t.repositories.kept} className="w-full min-w-40">
                        <Foreign>{known.protection.branches.join(', ') || t.repositories.keptNone}</Foreign>
                        {known.protection.allowForce && `, ${t.repositories.forced}`}
                      </Cell>
                      <Cell label={t.repositories.pushes} className="whitespace-nowrap">
                        {t.repositories.push[known.protection.push]}
                      </Cell>
                      <Cell label={t.repositories.pushed} className="text-right text-soft">
                        <Time at={known.pushedAt} />
                      </Cell>
                      <Cell fold="actions" className="text-right whitespace-nowrap">
                        <span className="inline-flex gap-2">
                          <Button
                            onClick={() => setListed(known.repository)}
                            aria-label={`${t.repositories.refs} ${known.repository}`}
                          >
                            {t.repositories.refs}
                          </Button>
                          {mayGuard && (
                            <Button
                              onClick={() => setGuarded(known)}
                              aria-label={`${t.repositories.protect} ${known.repository}`}
                            >
                              {t.repositories.protect}
                            </Button>
                          )}
                          <Button
                            onClick={() => setRuled(known.repository)}
                            aria-label={`${t.repositories.rules} ${known.repository}`}
                          >
                            {t.repositories.rules}
                          </Button>
                        </span>
                      </Cell>
                    </tr>
                  ))}
                </tbody>
              </TableBox>
            )
          }
        </Loaded>
      </Panel>
      <div className="flex min-w-0 flex-col gap-4">
        {mayCreate && <Create project={project} />}
        <ProjectRules project={project} mayEdit={mayGuard} />
      </div>
      {listed !== null && <Refs project={project} repository={listed} close={() => setListed(null)} />}
      {guarded && <Protect project={project} known={guarded} close={() => setGuarded(null)} />}
      {ruled !== null && (
        <ChangeRules project={project} repository={ruled} mayEdit={mayGuard} close={() => setRuled(null)} />
      )}
    </div>
  )
}

const Create = ({ project }: { project: string }) => {
  const queries = useQueryClient()
  const [made, setMade] = useState<string | null>(null)
  return (
    <Panel title={t.repositories.add}>
      <p className="mt-0 mb-4 text-soft">{t.repositories.addDetail}</p>
      <Form
        action={t.repositories.create}
        send={async (data) => {
          const repository = textOf(data, 'repository')
          await answer(one.$put({ param: { project, repository } }))
          await queries.invalidateQueries({ queryKey: ['repositories'] })
          setMade(repository)
        }}
      >
        <NameField name="repository" />
      </Form>
      {made !== null && (
        <Made
          title={made}
          parts={[
            {
              said: t.repositories.address,
              text: `git push ${location.origin}/git/${project}/${made}.git HEAD:main`,
            },
          ]}
          close={() => setMade(null)}
        />
      )}
    </Panel>
  )
}

const Protect = ({ project, known, close }: { project: string; known: Repository; close: () => void }) => {
  const queries = useQueryClient()
  const { repository, protection } = known
  return (
    <Confirm
      title={t.repositories.protectOf(repository)}
      action={t.repositories.save}
      close={close}
      act={async (data) => {
        const push = pushers.find((role) => role === textOf(data, 'push')) ?? protection.push
        const json = {
          branches: wordsOf(textOf(data, 'branches')),
          allowForce: data.get('allowForce') !== null,
          push,
        }
        await answer(one.protection.$put({ param: { project, repository }, json }))
        await queries.invalidateQueries({ queryKey: ['repositories'] })
      }}
    >
      <Field
        name="branches"
        label={t.repositories.branches}
        hint={t.repositories.branchesHint}
        autoCapitalize="none"
        defaultValue={protection.branches.join(', ')}
      />
      <Check name="allowForce" label={t.repositories.allowForce} isOn={protection.allowForce} />
      <Select
        name="push"
        label={t.repositories.pushes}
        options={pushers}
        names={t.repositories.push}
        value={protection.push}
      />
    </Confirm>
  )
}

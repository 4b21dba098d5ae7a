import { useQuery, useQueryClient } from '@tanstack/react-query'
import { useNavigate } from '@tanstack/react-router'
import { useState } from 'react'
import { openChanges } from '../../api/change-queries.ts'
import { answer, api } from '../../api/client.ts'
import { refs, repositories } from '../../api/queries.ts'
import { t } from '../../texts/en.ts'
import { textOf } from '../../ui/act.ts'
import { Confirm } from '../../ui/dialog.tsx'
import { Area, Field, Select } from '../../ui/form.tsx'
import { branchOf, personOf } from '../../ui/format.ts'
import { Loaded } from '../../ui/states.tsx'

/** Opens a change from a branch that was pushed. */
export const Propose = ({ project, close }: { project: string; close: () => void }) => {
  const { propose } = t.changes
  const known = useQuery(repositories(project))
  const [chosen, setChosen] = useState<string | null>(null)
  const queries = useQueryClient()
  const navigate = useNavigate()
  const open = async (data: FormData): Promise<void> => {
    const repository = textOf(data, 'repository')
    const [target, title] = [textOf(data, 'target'), textOf(data, 'title')]
    const made = await answer(
      api.changes.projects[':project'].repositories[':repository'].changes.$post({
        param: { project, repository },
        json: {
          ...{ branch: textOf(data, 'branch'), body: textOf(data, 'body') },
          ...(target === '' ? {} : { target }),
          ...(title === '' ? {} : { title }),
        },
      }),
    )
    await queries.invalidateQueries({ queryKey: ['changes'] })
    await navigate({
      to: '/projects/$project/changes/$repository/$number',
      params: { project, repository, number: String(made.number) },
    })
  }
  return (
    <Confirm title={propose.action} detail={propose.detail} action={propose.action} close={close} act={open}>
      <Loaded query={known}>
        {(all) => {
          // What was pushed to last comes first.
          const names = all
            .toSorted((one, other) => (other.pushedAt ?? 0) - (one.pushedAt ?? 0))
            .map(({ repository }) => repository)
          const repository = chosen ?? names[0]
          return (
            <>
              <Select
                name="repository"
                label={propose.repository}
                value={repository}
                options={names}
                choose={setChosen}
              />
              {repository !== undefined && <Branches key={repository} project={project} repository={repository} />}
            </>
          )
        }}
      </Loaded>
      <Field name="title" label={propose.title} hint={propose.titleHint} maxLength={200} />
      <Area name="body" label={propose.body} maxLength={65_536} />
    </Confirm>
  )
}

const Branches = ({ project, repository }: { project: string; repository: string }) => {
  const { propose } = t.changes
  const query = useQuery(refs(project, repository))
  const { data: known = [] } = useQuery(openChanges(project))
  const taken = new Set(known.flatMap((one) => (one.repository === repository ? [one.branch] : [])))
  return (
    <Loaded query={query}>
      {(all) => {
        const branches = all
          .filter(({ ref }) => ref.startsWith('refs/heads/'))
          .toSorted((one, other) => other.updatedAt - one.updatedAt)
          .map(({ ref, actor }) => ({ name: branchOf(ref), actor }))
        const open = branches.filter(({ name }) => name !== 'main' && !taken.has(name))
        return (
          <>
            {open.length === 0 && <p className="m-0 text-wait">{propose.noBranch}</p>}
            <Select
              name="branch"
              label={propose.branch}
              options={open.map(({ name }) => name)}
              names={Object.fromEntries(open.map(({ name, actor }) => [name, propose.pushed(name, personOf(actor))]))}
            />
            <Select
              name="target"
              label={propose.target}
              options={['', ...branches.map(({ name }) => name)]}
              names={{ '': propose.deployed }}
            />
          </>
        )
      }}
    </Loaded>
  )
}

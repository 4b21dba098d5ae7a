import { useQuery, useQueryClient } from '@tanstack/react-query'
import { useNavigate } from '@tanstack/react-router'
import { answer, api } from '../../api/client.ts'
import { repositories } from '../../api/queries.ts'
import { useMay } from '../../shell/role.ts'
import { t } from '../../texts/en.ts'
import { Confirm } from '../../ui/dialog.tsx'
import { Check } from '../../ui/form.tsx'

const reverts = api.changes.projects[':project'].repositories[':repository'].reverts

/** Whether one may push to a branch without a change. */
const useMayPush = (project: string, repository: string, branch: string): boolean => {
  const { data = [] } = useQuery(repositories(project))
  const protection = data.find((one) => one.repository === repository)?.protection
  const least = protection?.branches.includes(branch) ? protection.push : 'developer'
  const mayAsMuch = useMay(least === 'nobody' ? 'administrator' : least, project)
  return protection !== undefined && least !== 'nobody' && mayAsMuch
}

/** Takes back a merged change or a commit: as a new change, or right on its target by those who may push there. */
export const Revert = ({
  project,
  repository,
  target,
  what,
  title,
  detail,
  close,
}: {
  project: string
  repository: string
  target: string
  what: { readonly number: number } | { readonly commit: string }
  title: string
  detail: string
  close: () => void
}) => {
  const queries = useQueryClient()
  const navigate = useNavigate()
  const mayPush = useMayPush(project, repository, target)
  return (
    <Confirm
      title={title}
      detail={detail}
      action={t.change.revert}
      close={close}
      act={async (data) => {
        const directly = data.get('directly') !== null
        const json = { ...what, ...('commit' in what ? { target } : {}), directly }
        const { change } = await answer(reverts.$post({ param: { project, repository }, json }))
        for (const key of ['changes', 'runs']) await queries.invalidateQueries({ queryKey: [key] })
        if (change)
          await navigate({
            to: '/projects/$project/changes/$repository/$number',
            params: { project, repository, number: String(change.number) },
          })
        else await navigate({ to: '/projects/$project/runs', params: { project } })
      }}
    >
      {mayPush && <Check name="directly" label={t.change.directly(target)} hint={t.change.directlyHint} isOn={false} />}
    </Confirm>
  )
}

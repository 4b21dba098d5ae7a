import { useQueryClient } from '@tanstack/react-query'
import { useNavigate } from '@tanstack/react-router'
import { answer, api } from '../../api/client.ts'
import { Refusal } from '../../api/refusal.ts'
import { t } from '../../texts/en.ts'
import { textOf } from '../../ui/act.ts'
import { Confirm } from '../../ui/dialog.tsx'
import { Field } from '../../ui/form.tsx'

/** Takes a service out of every environment, once it is named a second time; its database stays. */
export const RemoveService = ({ project, service, close }: { project: string; service: string; close: () => void }) => {
  const queries = useQueryClient()
  const navigate = useNavigate()
  const remove = async (data: FormData): Promise<void> => {
    if (textOf(data, 'confirm') !== service)
      throw new Refusal({
        ...{ kind: 'not-confirmed', status: 0, next: null, path: 'confirm' },
        detail: t.service.removeWrong(service),
      })
    await answer(api.deploy.projects[':project'].services[':service'].$delete({ param: { project, service } }))
    await queries.invalidateQueries({ queryKey: ['services'] })
    await navigate({ to: '/projects/$project/services', params: { project } })
  }
  return (
    <Confirm
      title={t.service.removeTitle(service)}
      detail={t.service.removeDetail}
      action={t.service.remove}
      isDangerous
      close={close}
      act={remove}
    >
      <Field
        name="confirm"
        label={t.service.removeConfirm(service)}
        required
        autoCapitalize="none"
        autoComplete="off"
      />
    </Confirm>
  )
}

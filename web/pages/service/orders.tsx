import { useQuery, useQueryClient } from '@tanstack/react-query'
import { answer, api } from '../../api/client.ts'
import { deployments } from '../../api/deployment-queries.ts'
import { releases, type Service } from '../../api/service-queries.ts'
import { t } from '../../texts/en.ts'
import { textOf } from '../../ui/act.ts'
import { Confirm } from '../../ui/dialog.tsx'
import { Select } from '../../ui/form.tsx'
import { moment, short } from '../../ui/format.ts'
import { ClosedNote, useClosed } from './closed.tsx'

/** What is asked of a service in one environment; `into`: the one that comes next. */
export type Order =
  | { readonly kind: 'rollback' | 'again'; readonly place: Service }
  | { readonly kind: 'promote'; readonly place: Service; readonly into: string }

type Props<Kind extends Order['kind']> = {
  readonly project: string
  readonly service: string
  readonly order: Extract<Order, { kind: Kind }>
  readonly close: () => void
}

export const OrderDialog = ({ order, ...rest }: Omit<Props<Order['kind']>, 'order'> & { order: Order }) => {
  switch (order.kind) {
    case 'rollback':
    case 'again':
      return order.kind === 'again' ? <Again order={order} {...rest} /> : <Rollback order={order} {...rest} />
    case 'promote':
      return <Promote order={order} {...rest} />
  }
}

const one = api.deploy.projects[':project'].services[':service']

const useChanged = () => {
  const queries = useQueryClient()
  return async (): Promise<void> => {
    for (const key of ['services', 'rollouts', 'promotions', 'deployments'])
      await queries.invalidateQueries({ queryKey: [key] })
  }
}

/** Brings an earlier release back: the one before, or any that is kept. */
const Rollback = ({ project, service, order: { place }, close }: Props<'rollback' | 'again'>) => {
  const { data: history = [] } = useQuery(deployments(project, 200, service))
  const changed = useChanged()
  return (
    <Confirm
      title={t.service.rollbackTitle(service)}
      detail={rollbackDetail(place, history)}
      action={t.service.rollback}
      isDangerous
      close={close}
      act={async (data) => {
        const to = textOf(data, 'to')
        const json = { environment: place.environment, ...(to === '' ? {} : { to }) }
        await answer(one.rollback.$post({ param: { project, service }, json }))
        await changed()
      }}
    >
      <ReleaseSelect
        {...{ project, service }}
        name="to"
        label={t.service.rollbackTo}
        none={t.service.rollbackBefore}
        except={place.release}
      />
    </Confirm>
  )
}

/** Deploys what runs once more, with its settings as they are now. */
const Again = ({ project, service, order: { place }, close }: Props<'rollback' | 'again'>) => {
  const changed = useChanged()
  const closed = useClosed(project)(place.environment, 'deploy')
  return (
    <Confirm
      title={t.service.againTitle(service, place.environment)}
      detail={<Detail said={t.service.againDetail(short(place.commit ?? ''))} closed={closed} />}
      action={t.service.again}
      close={close}
      act={async () => {
        await answer(one.deploy.$post({ param: { project, service }, json: { environment: place.environment } }))
        await changed()
      }}
    />
  )
}

/** Asks for a release in the next environment: the newest of where it comes from, or any that is kept. */
const Promote = ({ project, service, order: { place, into }, close }: Props<'promote'>) => {
  const changed = useChanged()
  const closed = useClosed(project)(into, 'promote')
  return (
    <Confirm
      title={t.service.promoteTitle(service, into)}
      detail={<Detail said={t.service.promoteDetail(place.environment)} closed={closed} />}
      action={t.service.promote(into)}
      close={close}
      act={async (data) => {
        const release = textOf(data, 'release')
        const json = { to: into, ...(release === '' ? {} : { release }) }
        await answer(
          api.promotion.projects[':project'].services[':service'].promotions.$post({
            param: { project, service },
            json,
          }),
        )
        await changed()
      }}
    >
      <ReleaseSelect
        {...{ project, service }}
        name="release"
        label={t.service.release}
        none={t.service.promoteNewest(short(place.commit ?? ''))}
        except={place.release}
      />
    </Confirm>
  )
}

/** What would be done, and what stands against it at this moment. */
export const Detail = ({ said, closed }: { said: string; closed: string | null }) => (
  <div className="flex flex-col gap-3">
    <span>{said}</span>
    {closed !== null && <ClosedNote said={closed} />}
  </div>
)

/** One of the releases that are kept; at first the one that `none` says. */
const ReleaseSelect = ({
  project,
  service,
  name,
  label,
  none,
  except,
}: {
  project: string
  service: string
  name: string
  label: string
  none: string
  except: string | null
}) => {
  const { data } = useQuery(releases(project, service))
  const kept = (data?.releases ?? []).filter(({ digest }) => digest !== except)
  return (
    <Select
      name={name}
      label={label}
      options={['', ...kept.map(({ digest }) => digest)]}
      names={{
        '': none,
        ...Object.fromEntries(
          kept.map(({ digest, commit, createdAt }) => [digest, t.service.releaseOf(short(commit), moment(createdAt))]),
        ),
      }}
    />
  )
}

/** Which version it would be, where the history that is known here says so. */
const rollbackDetail = (
  place: Service,
  history: readonly { environment: string; outcome: string | null; commit: string }[],
): string => {
  const before = history.find(
    ({ environment, outcome, commit }) =>
      environment === place.environment && outcome === 'succeeded' && commit !== place.commit,
  )
  return place.commit && before
    ? t.service.rollbackDetail(short(place.commit), short(before.commit), place.environment)
    : t.service.rollbackUnknown(place.environment)
}

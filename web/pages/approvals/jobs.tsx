import { useQuery, useQueryClient } from '@tanstack/react-query'
import { useState } from 'react'
import { answer, api } from '../../api/client.ts'
import { protectedEnvironments } from '../../api/deployment-queries.ts'
import { whoAmI } from '../../api/queries.ts'
import { useMay } from '../../shell/role.ts'
import { t } from '../../texts/en.ts'
import { textOf } from '../../ui/act.ts'
import { Confirm } from '../../ui/dialog.tsx'
import { Foreign } from '../../ui/foreign.tsx'
import { Area } from '../../ui/form.tsx'
import { personOf } from '../../ui/format.ts'
import { Button, Panel } from '../../ui/parts.tsx'

/** The jobs of a run that wait to use an environment. `actor`: who caused the run. */
export type WaitingJobs = {
  readonly run: string
  readonly actor: string
  readonly environment: string
  readonly names: readonly string[]
}

/** Why whoever looks cannot let these jobs go on, in words; null: they can. */
const useRefusal = (project: string, { actor, environment }: WaitingJobs): string | null => {
  const mayDecide = useMay('operator', project)
  const { data: me } = useQuery(whoAmI(project))
  const { data: known } = useQuery(protectedEnvironments(project))
  if (!mayDecide) return t.approvals.forOperators
  const protection = known?.environments.find((one) => one.environment === environment)
  return protection?.allowsOwnApproval === false && me?.user === personOf(actor) ? t.approvals.own : null
}

/** Yes and no to the jobs of a run that wait for an environment, as far as whoever looks may say it. */
export const JobsAnswer = ({ project, waiting }: { project: string; waiting: WaitingJobs }) => {
  const mayDecide = useMay('operator', project)
  const refusal = useRefusal(project, waiting)
  const queries = useQueryClient()
  const [asked, setAsked] = useState<'approve' | 'refuse' | null>(null)
  const { run, environment, names } = waiting
  if (!mayDecide) return null
  const decide = async (isApproved: boolean, comment: string): Promise<void> => {
    await answer(
      api.requests.projects[':project'].runs[':run'].approvals.$post({
        param: { project, run },
        json: { environment, isApproved, comment: comment || null },
      }),
    )
    for (const key of ['runs', 'protected']) await queries.invalidateQueries({ queryKey: [key] })
  }
  return (
    <span className="flex flex-wrap gap-2">
      {refusal === null && (
        <Button kind="primary" onClick={() => setAsked('approve')}>
          {t.approvals.approve}
        </Button>
      )}
      <Button onClick={() => setAsked('refuse')}>{t.approvals.refuse}</Button>
      {asked && (
        <Confirm
          title={t.approvals.jobsTitle(environment, asked === 'approve')}
          detail={
            <Foreign>
              {t.approvals.jobsDetail(names.join(', '))} {asked === 'refuse' && t.approvals.jobsRefused}
            </Foreign>
          }
          action={t.approvals[asked]}
          isDangerous={asked === 'refuse'}
          close={() => setAsked(null)}
          act={(data) => decide(asked === 'approve', textOf(data, 'comment'))}
        >
          <Area name="comment" label={t.approvals.comment} rows={2} maxLength={2_000} />
        </Confirm>
      )}
    </span>
  )
}

type Job = { readonly name: string; readonly wait: { readonly kind: string; readonly environment?: string } | null }

/** What of a run waits to use an environment, and for whom; nothing where nothing does. */
export const JobsWaiting = ({
  project,
  run: { run, actor, jobs },
}: {
  project: string
  run: { readonly run: string; readonly actor: string; readonly jobs: readonly Job[] }
}) => {
  const named = jobs.flatMap(({ name, wait }) =>
    wait?.kind === 'approval' && wait.environment !== undefined ? [{ name, environment: wait.environment }] : [],
  )
  const environments = [...new Set(named.map(({ environment }) => environment))]
  return environments.map((environment) => {
    const names = named.filter((one) => one.environment === environment).map(({ name }) => name)
    return <Waiting key={environment} project={project} waiting={{ run, actor, environment, names }} />
  })
}

const Waiting = ({ project, waiting }: { project: string; waiting: WaitingJobs }) => {
  const refusal = useRefusal(project, waiting)
  return (
    <Panel title={<Foreign>{t.approvals.jobs(waiting.environment)}</Foreign>} className="mb-4">
      <div className="flex flex-wrap items-center justify-between gap-3">
        <span className="min-w-0">
          <Foreign>{waiting.names.join(', ')}</Foreign>
          <span className="block text-soft">{refusal ?? t.approvals.forOperators}</span>
        </span>
        <JobsAnswer project={project} waiting={waiting} />
      </div>
    </Panel>
  )
}

import { useQuery, useQueryClient } from '@tanstack/react-query'
import { Link } from '@tanstack/react-router'
import { useState } from 'react'
import { answer, api } from '../../api/client.ts'
import { type Runners, runners } from '../../api/queries.ts'
import { useMay } from '../../shell/role.ts'
import { t } from '../../texts/en.ts'
import { textOf } from '../../ui/act.ts'
import { Confirm, Made } from '../../ui/dialog.tsx'
import { Foreign } from '../../ui/foreign.tsx'
import { Field, Form, NameField, Select, wordsOf } from '../../ui/form.tsx'
import { Badge, Button, Panel, Time } from '../../ui/parts.tsx'
import { Empty, Loaded } from '../../ui/states.tsx'
import { ActionsHead, Cell, TableBox } from '../../ui/table.tsx'

type Runner = Runners['runners'][number]

/** Who runs jobs: this machine first, then the others; the jobs that nobody runs yet; a token for one more machine. */
export const RunnersTab = ({ project }: { project: string }) => {
  const query = useQuery(runners())
  const mayAdd = useMay('administrator')
  const [secret, setSecret] = useState<string | null>(null)
  const [revoked, setRevoked] = useState<Runner | null>(null)
  const [labelled, setLabelled] = useState<Runner | null>(null)
  const queries = useQueryClient()
  return (
    <div className="grid items-start gap-4 2xl:grid-cols-[minmax(0,1fr)_22rem]">
      <div className="flex min-w-0 flex-col gap-4">
        <Panel title={t.settings.tabs.runners} isFlush>
          <Loaded query={query}>
            {({ runners: all }) =>
              all.length === 0 ? (
                <Empty>{t.settings.noRunners}</Empty>
              ) : (
                <RunnerTable all={all} orders={mayAdd ? { revoke: setRevoked, label: setLabelled } : null} />
              )
            }
          </Loaded>
        </Panel>
        {query.data && <Waiting project={project} waiting={query.data.waiting} />}
      </div>
      {mayAdd && <Add project={project} made={setSecret} />}
      {secret !== null && (
        <Made
          title={t.settings.addRunner}
          parts={[
            { said: t.settings.secret, text: secret },
            { said: t.settings.runnerStart, text: `headway runner --server ${location.origin} --token-file token` },
          ]}
          close={() => setSecret(null)}
        />
      )}
      {revoked && (
        <Confirm
          title={t.settings.revokeRunner(revoked.name)}
          detail={t.settings.revokeRunnerDetail}
          action={t.settings.revoke}
          isDangerous
          close={() => setRevoked(null)}
          act={async () => {
            await answer(api.runners.runners[':runner'].$delete({ param: { runner: revoked.runner } }))
            await queries.invalidateQueries({ queryKey: ['runners'] })
          }}
        />
      )}
      {labelled && <Labels known={labelled} close={() => setLabelled(null)} />}
    </div>
  )
}

/** What every runner of a server has; the rest of its labels was given to it. */
const isItsOwn = (label: string): boolean =>
  /^(self-hosted|local|ubuntu-\*|linux|macos|windows|freebsd|x64|arm64)$/.test(label)

const Labels = ({ known, close }: { known: Runner; close: () => void }) => {
  const queries = useQueryClient()
  return (
    <Confirm
      title={t.settings.labelsLocal}
      detail={t.settings.labelsLocalDetail}
      action={t.settings.save}
      close={close}
      act={async (data) => {
        await answer(api.runners.runners.local.labels.$put({ json: { labels: wordsOf(textOf(data, 'labels')) } }))
        await queries.invalidateQueries({ queryKey: ['runners'] })
      }}
    >
      <Field
        name="labels"
        label={t.settings.labelsSet}
        placeholder="gpu, large"
        autoCapitalize="none"
        defaultValue={(known.labels ?? []).filter((label) => !isItsOwn(label)).join(', ')}
      />
    </Confirm>
  )
}

type Orders = { readonly revoke: (runner: Runner) => void; readonly label: (runner: Runner) => void }

const RunnerTable = ({ all, orders }: { all: readonly Runner[]; orders: Orders | null }) => (
  <TableBox label={t.settings.tabs.runners}>
    <thead>
      <tr>
        <th>{t.settings.name}</th>
        <th>{t.settings.labels}</th>
        <th>{t.shell.project}</th>
        <th>
          <span className="sr-only">{t.table.state}</span>
        </th>
        <th className="text-right!">{t.run.jobs}</th>
        <th className="text-right!">{t.settings.seen}</th>
        {orders && <ActionsHead />}
      </tr>
    </thead>
    <tbody>
      {all.map((runner) => (
        <tr key={runner.runner}>
          <Cell fold="title" className="font-medium">
            {runner.name}
          </Cell>
          <Cell label={t.settings.labels} className="w-full min-w-40 text-soft">
            {(runner.labels ?? []).join(', ')}
          </Cell>
          <Cell className="whitespace-nowrap">{runner.project ?? t.settings.allProjects}</Cell>
          <Cell fold="aside">
            <Badge tone={runner.state === 'online' ? 'good' : 'calm'}>{t.settings.runnerState[runner.state]}</Badge>
          </Cell>
          <Cell label={t.run.jobs} className="text-right whitespace-nowrap">
            {t.services.replicas(runner.jobs, runner.parallel)}
          </Cell>
          <Cell label={t.settings.seen} className="text-right text-soft">
            <Time at={runner.seenAt} />
          </Cell>
          {orders && (
            <Cell fold="actions" className="text-right">
              {runner.runner === 'local' && (
                <Button onClick={() => orders.label(runner)} aria-label={`${t.settings.labels} ${runner.name}`}>
                  {t.settings.labels}
                </Button>
              )}
              {runner.registeredAt !== null && runner.state !== 'revoked' && (
                <Button onClick={() => orders.revoke(runner)} aria-label={`${t.settings.revoke} ${runner.name}`}>
                  {t.settings.revoke}
                </Button>
              )}
            </Cell>
          )}
        </tr>
      ))}
    </tbody>
  </TableBox>
)

/** The jobs that nobody runs yet, and why. */
const Waiting = ({ project, waiting }: { project: string; waiting: Runners['waiting'] }) => (
  <Panel title={t.settings.waiting}>
    {waiting.length === 0 ? (
      <p className="m-0 text-soft">{t.settings.noWaiting}</p>
    ) : (
      <ul className="m-0 flex list-none flex-col gap-3 p-0">
        {waiting.map(({ run, job, name, labels, since, why }) => (
          <li key={`${run} ${job}`}>
            <Link
              to="/projects/$project/runs/$run"
              params={{ project, run }}
              search={{ job }}
              className="font-medium text-ink"
            >
              <Foreign>{name}</Foreign>
            </Link>{' '}
            <span className="text-soft">
              {labels.join(', ')}, <Time at={since} />
            </span>
            <Foreign className="block text-soft">{why}</Foreign>
          </li>
        ))}
      </ul>
    )}
  </Panel>
)

const Add = ({ project, made }: { project: string; made: (secret: string) => void }) => {
  const queries = useQueryClient()
  return (
    <Panel title={t.settings.addRunner}>
      <Form
        action={t.settings.create}
        send={async (data) => {
          const labels = wordsOf(textOf(data, 'labels'))
          const { secret } = await answer(
            api.runners.runners.$post({
              json: {
                name: textOf(data, 'name'),
                labels: labels.length === 0 ? null : labels,
                project: textOf(data, 'where') || null,
              },
            }),
          )
          made(secret)
          await queries.invalidateQueries({ queryKey: ['runners'] })
        }}
      >
        <NameField pattern="[a-z0-9][a-z0-9._\-]*" />
        <Field name="labels" label={t.settings.labels} placeholder="gpu, arm64" hint={t.settings.labelsHint} />
        <Select name="where" label={t.shell.project} options={['', project]} names={{ '': t.settings.allProjects }} />
      </Form>
    </Panel>
  )
}

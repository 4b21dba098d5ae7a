import { useQuery, useQueryClient } from '@tanstack/react-query'
import { Link } from '@tanstack/react-router'
import type { Change } from '../../api/change-queries.ts'
import { answer, api } from '../../api/client.ts'
import { preview } from '../../api/learn-queries.ts'
import { useMay } from '../../shell/role.ts'
import { t } from '../../texts/en.ts'
import { useAct } from '../../ui/act.ts'
import { Foreign } from '../../ui/foreign.tsx'
import { Button, Panel, Time } from '../../ui/parts.tsx'
import { Loaded, Refused } from '../../ui/states.tsx'
import { PreviewStanding } from '../previews/standing.tsx'
import { RunBadge } from '../runs/page.tsx'

type Props = { project: string; known: Change }

/** What stands between a change and its merge, its checks, its preview, and who has approved it. */
export const Standing = ({ project, known }: Props) => (
  <div className="flex min-w-0 flex-col gap-4">
    {known.status === 'open' && (
      <Panel title={t.change.blockers}>
        {known.place !== null && (
          <p className="m-0 mb-2">
            <Link
              to="/projects/$project/changes"
              params={{ project }}
              search={{ tab: 'queue' }}
              className="text-accent"
            >
              {t.change.inQueue(known.place)}
            </Link>
          </p>
        )}
        {known.note !== null && (
          <p className="m-0 mb-2 rounded-md bg-wait-wash p-2 text-wait">
            <Foreign>{known.note}</Foreign>
          </p>
        )}
        {known.blockers.length === 0 ? (
          <p className="m-0 text-good">{t.change.noBlockers}</p>
        ) : (
          <ul className="m-0 flex list-none flex-col gap-2 p-0">
            {known.blockers.map(({ kind, detail }) => (
              <li key={kind}>
                <Foreign>{detail}</Foreign>
              </li>
            ))}
          </ul>
        )}
      </Panel>
    )}
    <Panel title={t.change.checks} isFlush>
      {!known.test || known.test.checks.length === 0 ? (
        <p className="m-0 px-4 pb-4 text-soft">{t.change.noChecks}</p>
      ) : (
        <ul className="m-0 list-none p-0">
          {known.test.checks.map((check) => (
            <li
              key={`${check.run} ${check.job}`}
              className="flex items-center justify-between gap-3 border-t border-line px-4 py-2.5"
            >
              <Link
                to="/projects/$project/runs/$run"
                params={{ project, run: check.run }}
                search={check.job === null ? {} : { job: check.job }}
                className="min-w-0 text-ink"
              >
                <Foreign>{check.name}</Foreign>
              </Link>
              <RunBadge run={check} />
            </li>
          ))}
        </ul>
      )}
    </Panel>
    <ItsPreview project={project} known={known} />
    <Panel title={t.change.approvals}>
      {known.approvals.length === 0 ? (
        <p className="m-0 text-soft">{t.change.noApprovals}</p>
      ) : (
        <ul className="m-0 list-none p-0">
          {known.approvals.map(({ user, at, version }) => (
            <li key={user} className="flex justify-between gap-3">
              <Foreign>{user}</Foreign>
              <span className="text-soft">
                {t.change.version(version)} · <Time at={at} />
              </span>
            </li>
          ))}
        </ul>
      )}
    </Panel>
  </div>
)

const ItsPreview = ({ project, known: { repository, number, status } }: Props) => {
  const query = useQuery(preview(project, repository, number))
  const mayAct = useMay('developer', project)
  const queries = useQueryClient()
  const { act, isWorking, refusal } = useAct()
  const { preview: one } = api.previews.projects[':project'].repositories[':repository'].changes[':number']
  const param = { project, repository, number: String(number) }
  const ask = (way: '$post' | '$delete') =>
    void act(async () => {
      await answer(one[way]({ param }))
      await queries.invalidateQueries({ queryKey: ['previews'] })
    })
  return (
    <Panel title={t.change.preview}>
      <Loaded query={query} waiting={<p className="m-0 min-h-8" />}>
        {(known) => (
          <div className="flex flex-col items-start gap-3">
            <PreviewStanding of={known} />
            {known.services.length > 0 && (
              <ul className="m-0 list-none p-0">
                {known.services.map(({ service, url }) => (
                  <li key={service} className="min-w-0 break-all">
                    <a href={url} target="_blank" rel="noreferrer" className="text-accent">
                      {url}
                    </a>
                  </li>
                ))}
              </ul>
            )}
            {known.expiresAt !== null && (
              <span className="text-soft">
                {t.previews.columns.goes} <Time at={known.expiresAt} />
              </span>
            )}
            {mayAct && status === 'open' && (
              <Button disabled={isWorking} onClick={() => ask(known.version === null ? '$post' : '$delete')}>
                {known.version === null ? t.previews.start : t.previews.remove}
              </Button>
            )}
            <Refused refusal={refusal} />
          </div>
        )}
      </Loaded>
    </Panel>
  )
}

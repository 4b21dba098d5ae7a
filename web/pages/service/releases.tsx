import { useQuery, useQueryClient } from '@tanstack/react-query'
import { Fragment, useId, useState } from 'react'
import { answer, api } from '../../api/client.ts'
import { environments } from '../../api/deployment-queries.ts'
import { releases, type Service } from '../../api/service-queries.ts'
import { useMay } from '../../shell/role.ts'
import { t } from '../../texts/en.ts'
import { Confirm } from '../../ui/dialog.tsx'
import { bytes, short } from '../../ui/format.ts'
import { Badge, Button, Panel, Time } from '../../ui/parts.tsx'
import { Empty, Loaded } from '../../ui/states.tsx'
import { ActionsHead, Cell, TableBox } from '../../ui/table.tsx'
import { ClosedNote, useClosed } from './closed.tsx'
import { Commits } from './commits.tsx'
import { Detail } from './orders.tsx'

type Asked = { readonly digest: string; readonly commit: string; readonly environment: string }

/** The releases that are kept, where each runs, and a way to deploy one again. */
export const Releases = ({
  project,
  service,
  places,
}: {
  project: string
  service: string
  places: readonly Service[]
}) => {
  const query = useQuery(releases(project, service))
  const mayDeploy = useMay('developer', project)
  const queries = useQueryClient()
  const { isPending } = useQuery(environments(project)) // what they say stands above the table, which must not move
  const closed = useClosed(project)
  const name = useId()
  const closedPlaces = mayDeploy
    ? places.flatMap(({ environment }) => {
        const said = closed(environment, 'deploy')
        return said === null ? [] : [{ id: `${name}-${environment}`, environment, said }]
      })
    : []
  const [asked, setAsked] = useState<Asked | null>(null)
  const [opened, setOpened] = useState<string | null>(null)
  return (
    <Panel isFlush>
      <Loaded query={query} isHeld={isPending}>
        {({ releases: kept }) =>
          kept.length === 0 ? (
            <Empty>{t.service.noReleases}</Empty>
          ) : (
            <>
              {closedPlaces.length > 0 && (
                <div className="flex flex-col gap-2 p-4">
                  {closedPlaces.map(({ id, said }) => (
                    <ClosedNote key={id} id={id} said={said} />
                  ))}
                </div>
              )}
              <TableBox label={t.service.releases}>
                <thead>
                  <tr>
                    <th>{t.service.version}</th>
                    <th>{t.service.runsIn}</th>
                    <th className="text-right!">{t.service.size}</th>
                    <th className="text-right!">{t.service.made}</th>
                    <ActionsHead />
                  </tr>
                </thead>
                <tbody>
                  {kept.map(({ digest, commit, repository, path, sizeBytes, createdAt }, at) => (
                    <Fragment key={digest}>
                      <tr>
                        <Cell fold="title" className="whitespace-nowrap">
                          <code className="font-mono text-xs" title={digest}>
                            {short(commit)}
                          </code>{' '}
                          <span className="text-soft">{repository}</span>
                        </Cell>
                        <Cell fold="aside">
                          <span className="flex flex-wrap gap-2">
                            {places
                              .filter(({ release }) => release === digest)
                              .map(({ environment }) => (
                                <Badge key={environment} tone="good">
                                  {environment}
                                </Badge>
                              ))}
                          </span>
                        </Cell>
                        <Cell className="text-right whitespace-nowrap">{bytes(sizeBytes)}</Cell>
                        <Cell className="text-right text-soft">
                          <Time at={createdAt} />
                        </Cell>
                        <Cell fold="actions" className="text-right">
                          <span className="flex flex-wrap justify-end gap-2">
                            <Button
                              aria-expanded={opened === digest}
                              onClick={() => setOpened(opened === digest ? null : digest)}
                            >
                              {t.service.whatChanged}
                            </Button>
                            {mayDeploy &&
                              places
                                .filter(({ release }) => release !== digest)
                                .map(({ environment, rollout }) => (
                                  <Button
                                    key={environment}
                                    aria-describedby={closedPlaces.find((one) => one.environment === environment)?.id}
                                    disabled={rollout !== null}
                                    title={rollout !== null ? t.service.underWay : undefined}
                                    onClick={() => setAsked({ digest, commit, environment })}
                                  >
                                    {t.service.deployTo(environment)}
                                  </Button>
                                ))}
                          </span>
                        </Cell>
                      </tr>
                      {opened === digest && (
                        <tr>
                          <Cell fold="whole" colSpan={5} className="bg-sunk">
                            <p className="m-0 mb-2 text-xs text-soft">
                              {t.service.release}{' '}
                              <code className="font-mono" title={digest}>
                                {digest.replace('sha256:', '').slice(0, 12)}
                              </code>
                            </p>
                            <Commits
                              {...{ project, repository, path }}
                              since={kept.slice(at + 1).find((one) => one.repository === repository)?.commit ?? null}
                              until={commit}
                            />
                          </Cell>
                        </tr>
                      )}
                    </Fragment>
                  ))}
                </tbody>
              </TableBox>
            </>
          )
        }
      </Loaded>
      {asked && (
        <Confirm
          title={`${t.service.deployTo(asked.environment)}?`}
          detail={<Detail said={`${service} ${short(asked.commit)}`} closed={closed(asked.environment, 'deploy')} />}
          action={t.service.deployTo(asked.environment)}
          close={() => setAsked(null)}
          act={async () => {
            const { digest, environment } = asked
            await answer(
              api.deploy.projects[':project'].services[':service'].deploy.$post({
                param: { project, service },
                json: { release: digest, environment },
              }),
            )
            await queries.invalidateQueries({ queryKey: ['services'] })
          }}
        />
      )}
    </Panel>
  )
}

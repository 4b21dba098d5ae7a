import { useQuery, useQueryClient } from '@tanstack/react-query'
import { Fragment, useState } from 'react'
import { answer, api } from '../../api/client.ts'
import { releases, type Service } from '../../api/queries.ts'
import { useMay } from '../../shell/role.ts'
import { t } from '../../texts/en.ts'
import { Confirm } from '../../ui/dialog.tsx'
import { bytes, short } from '../../ui/format.ts'
import { Badge, Button, Panel, Time } from '../../ui/parts.tsx'
import { Empty, Loaded } from '../../ui/states.tsx'
import { TableBox } from '../../ui/tabs.tsx'
import { Commits } from './commits.tsx'

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
  const [asked, setAsked] = useState<Asked | null>(null)
  const [opened, setOpened] = useState<string | null>(null)
  return (
    <Panel isFlush>
      <Loaded query={query}>
        {({ releases: kept }) =>
          kept.length === 0 ? (
            <Empty>{t.service.noReleases}</Empty>
          ) : (
            <TableBox label={t.service.releases}>
              <thead>
                <tr>
                  <th>{t.service.release}</th>
                  <th>{t.service.commit}</th>
                  <th>{t.service.runsIn}</th>
                  <th className="text-right!">{t.service.size}</th>
                  <th className="text-right!">{t.service.made}</th>
                  <th>
                    <span className="sr-only">{t.table.actions}</span>
                  </th>
                </tr>
              </thead>
              <tbody>
                {kept.map(({ digest, commit, repository, path, sizeBytes, createdAt }, at) => (
                  <Fragment key={digest}>
                    <tr>
                      <td className="font-mono text-xs">{digest.replace('sha256:', '').slice(0, 12)}</td>
                      <td className="whitespace-nowrap">
                        <span className="text-soft">{repository}</span>{' '}
                        <code className="font-mono text-xs">{short(commit)}</code>
                      </td>
                      <td>
                        <span className="flex flex-wrap gap-2">
                          {places
                            .filter(({ release }) => release === digest)
                            .map(({ environment }) => (
                              <Badge key={environment} tone="good">
                                {environment}
                              </Badge>
                            ))}
                        </span>
                      </td>
                      <td className="text-right whitespace-nowrap">{bytes(sizeBytes)}</td>
                      <td className="text-right text-soft">
                        <Time at={createdAt} />
                      </td>
                      <td className="text-right">
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
                              .map(({ environment }) => (
                                <Button key={environment} onClick={() => setAsked({ digest, commit, environment })}>
                                  {t.service.deployTo(environment)}
                                </Button>
                              ))}
                        </span>
                      </td>
                    </tr>
                    {opened === digest && (
                      <tr>
                        <td colSpan={6} className="bg-sunk">
                          <Commits
                            {...{ project, repository, path }}
                            since={kept.slice(at + 1).find((one) => one.repository === repository)?.commit ?? null}
                            until={commit}
                          />
                        </td>
                      </tr>
                    )}
                  </Fragment>
                ))}
              </tbody>
            </TableBox>
          )
        }
      </Loaded>
      {asked && (
        <Confirm
          title={`${t.service.deployTo(asked.environment)}?`}
          detail={`${service} ${short(asked.commit)}`}
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

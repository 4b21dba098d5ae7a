import { useQuery, useQueryClient } from '@tanstack/react-query'
import { Link, useParams } from '@tanstack/react-router'
import { useState } from 'react'
import { answer, api } from '../../api/client.ts'
import { type Preview, previews } from '../../api/learn-queries.ts'
import { useMay } from '../../shell/role.ts'
import { t } from '../../texts/en.ts'
import { useAct } from '../../ui/act.ts'
import { Confirm } from '../../ui/dialog.tsx'
import { Button, Command, PageHead, Panel, Time } from '../../ui/parts.tsx'
import { Loaded, Refused } from '../../ui/states.tsx'
import { ActionsHead, Cell, TableBox } from '../../ui/table.tsx'
import { PreviewStanding } from './standing.tsx'

const one = api.previews.projects[':project'].repositories[':repository'].changes[':number'].preview
const nameOf = ({ repository, number }: Preview): string => `${repository} #${number}`

/** The previews of open changes: how each stands, where it is looked at, when it goes. */
export const PreviewsPage = () => {
  const { project } = useParams({ from: '/shell/projects/$project/previews' })
  const query = useQuery(previews(project))
  const mayAct = useMay('developer', project)
  const queries = useQueryClient()
  const { act, refusal } = useAct()
  const [removed, setRemoved] = useState<Preview | null>(null)
  const about = ({ repository, number }: Preview) => ({ param: { project, repository, number: String(number) } })
  const start = (preview: Preview) =>
    act(async () => {
      await answer(one.$post(about(preview)))
      await queries.invalidateQueries({ queryKey: ['previews'] })
    })
  return (
    <>
      <PageHead title={t.previews.title} detail={t.previews.detail} />
      <Panel isFlush>
        <Refused refusal={refusal} />
        <Loaded query={query}>
          {(all) =>
            all.length === 0 ? (
              <div className="flex flex-col gap-2 p-4">
                <p className="m-0 text-soft">{t.previews.none}</p>
                <Command text={t.previews.command} />
              </div>
            ) : (
              <TableBox label={t.previews.title}>
                <thead>
                  <tr>
                    <th>{t.previews.columns.change}</th>
                    <th>{t.previews.columns.state}</th>
                    <th>{t.previews.columns.address}</th>
                    <th className="text-right!">{t.previews.columns.goes}</th>
                    {mayAct && <ActionsHead />}
                  </tr>
                </thead>
                <tbody>
                  {all.map((preview) => (
                    <tr key={nameOf(preview)}>
                      <Cell fold="title" className="whitespace-nowrap">
                        <Link
                          to="/projects/$project/changes/$repository/$number"
                          params={{ project, repository: preview.repository, number: String(preview.number) }}
                          className="font-medium text-ink"
                        >
                          {nameOf(preview)}
                        </Link>
                      </Cell>
                      <Cell fold="line" className="min-w-48">
                        <PreviewStanding of={preview} />
                      </Cell>
                      <Cell fold="line" className="w-full min-w-48">
                        <ul className="m-0 list-none p-0">
                          {preview.services.map(({ service, url }) => (
                            <li key={service}>
                              <a href={url} target="_blank" rel="noreferrer" className="text-accent">
                                {url}
                              </a>
                            </li>
                          ))}
                        </ul>
                      </Cell>
                      <Cell fold="line" label={t.previews.columns.goes} className="text-right text-soft">
                        {preview.expiresAt === null ? '–' : <Time at={preview.expiresAt} />}
                      </Cell>
                      {mayAct && (
                        <Cell fold="actions" className="text-right">
                          {preview.version === null ? (
                            <Button
                              onClick={() => void start(preview)}
                              aria-label={`${t.previews.start} ${nameOf(preview)}`}
                            >
                              {t.previews.start}
                            </Button>
                          ) : (
                            <Button
                              onClick={() => setRemoved(preview)}
                              aria-label={`${t.previews.remove} ${nameOf(preview)}`}
                            >
                              {t.previews.remove}
                            </Button>
                          )}
                        </Cell>
                      )}
                    </tr>
                  ))}
                </tbody>
              </TableBox>
            )
          }
        </Loaded>
      </Panel>
      {removed && (
        <Confirm
          title={t.previews.removeTitle(nameOf(removed))}
          detail={t.previews.removeDetail}
          action={t.previews.remove}
          isDangerous
          close={() => setRemoved(null)}
          act={async () => {
            await answer(one.$delete(about(removed)))
            await queries.invalidateQueries({ queryKey: ['previews'] })
          }}
        />
      )}
    </>
  )
}

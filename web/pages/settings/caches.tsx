import { useQuery, useQueryClient } from '@tanstack/react-query'
import { useState } from 'react'
import { answer, api } from '../../api/client.ts'
import { type Cache, caches } from '../../api/keep-queries.ts'
import { useMay } from '../../shell/role.ts'
import { t } from '../../texts/en.ts'
import { Confirm } from '../../ui/dialog.tsx'
import { Foreign } from '../../ui/foreign.tsx'
import { branchOf, bytes } from '../../ui/format.ts'
import { Button, Panel, Time } from '../../ui/parts.tsx'
import { Empty, Loaded } from '../../ui/states.tsx'
import { ActionsHead, Cell, TableBox } from '../../ui/table.tsx'

/** What jobs have put aside for later runs, the newest first; forgotten by developers. */
export const Caches = ({ project }: { project: string }) => {
  const query = useQuery(caches(project))
  const mayForget = useMay('developer', project)
  const [forgotten, setForgotten] = useState<Cache | null>(null)
  const queries = useQueryClient()
  return (
    <Panel title={t.data.caches} isFlush>
      <Loaded query={query}>
        {(all) =>
          all.length === 0 ? (
            <Empty>{t.data.cachesNone}</Empty>
          ) : (
            <TableBox label={t.data.caches}>
              <thead>
                <tr>
                  <th>{t.data.key}</th>
                  <th>{t.data.repository}</th>
                  <th>{t.data.scope}</th>
                  <th className="text-right!">{t.data.size}</th>
                  <th className="text-right!">{t.data.used}</th>
                  {mayForget && <ActionsHead />}
                </tr>
              </thead>
              <tbody>
                {all.map((known) => (
                  <tr key={known.cache}>
                    <Cell fold="title" className="w-full min-w-40 font-mono text-xs break-all">
                      <Foreign>{known.key}</Foreign>
                    </Cell>
                    <Cell className="whitespace-nowrap">{known.repository}</Cell>
                    <Cell className="max-w-40">
                      <Foreign className="block truncate">{branchOf(known.scope)}</Foreign>
                    </Cell>
                    <Cell className="text-right whitespace-nowrap">{bytes(known.sizeBytes)}</Cell>
                    <Cell label={t.data.used} className="text-right text-soft">
                      <Time at={known.usedAt} />
                    </Cell>
                    {mayForget && (
                      <Cell fold="actions" className="text-right">
                        <Button onClick={() => setForgotten(known)} aria-label={t.data.forgetOf(known.cache)}>
                          {t.data.forget}
                        </Button>
                      </Cell>
                    )}
                  </tr>
                ))}
              </tbody>
            </TableBox>
          )
        }
      </Loaded>
      {forgotten && (
        <Confirm
          title={t.data.forgetTitle}
          detail={
            <>
              <Foreign className="block font-mono text-xs break-all">{forgotten.key}</Foreign>
              {t.data.forgetDetail}
            </>
          }
          action={t.data.forget}
          isDangerous
          close={() => setForgotten(null)}
          act={async () => {
            await answer(
              api.results.projects[':project'].caches[':cache'].$delete({
                param: { project, cache: String(forgotten.cache) },
              }),
            )
            await queries.invalidateQueries({ queryKey: ['caches'] })
          }}
        />
      )}
    </Panel>
  )
}

import { useQuery, useQueryClient } from '@tanstack/react-query'
import { useState } from 'react'
import { answer, api } from '../../api/client.ts'
import { databaseBackups } from '../../api/keep-queries.ts'
import { t } from '../../texts/en.ts'
import { Made } from '../../ui/dialog.tsx'
import { Form } from '../../ui/form.tsx'
import { bytes } from '../../ui/format.ts'
import { Button, Panel, Time } from '../../ui/parts.tsx'
import { Empty, Loaded } from '../../ui/states.tsx'
import { ActionsHead, Cell, TableBox } from '../../ui/table.tsx'

/** Copies of all databases. One is made here; bringing one back loses what came later, so it is done in a terminal. */
export const DatabaseBackups = () => {
  const query = useQuery(databaseBackups())
  const [restored, setRestored] = useState<string | null>(null)
  const queries = useQueryClient()
  return (
    <Panel title={t.data.backups} isFlush>
      <Loaded query={query}>
        {(all) =>
          all.length === 0 ? (
            <Empty>{t.data.backupsNone}</Empty>
          ) : (
            <TableBox label={t.data.backups}>
              <thead>
                <tr>
                  <th>{t.data.backup}</th>
                  <th>{t.data.services}</th>
                  <th className="text-right!">{t.data.size}</th>
                  <th className="text-right!">{t.data.at}</th>
                  <ActionsHead />
                </tr>
              </thead>
              <tbody>
                {all.map(({ backup, at, sizeBytes, databases }) => (
                  <tr key={backup}>
                    <Cell fold="title" className="font-mono text-xs whitespace-nowrap">
                      {backup}
                    </Cell>
                    <Cell className="w-full min-w-40 text-soft">
                      {databases.map(({ service }) => service).join(', ')}
                    </Cell>
                    <Cell className="text-right whitespace-nowrap">{bytes(sizeBytes)}</Cell>
                    <Cell className="text-right text-soft">
                      <Time at={at} />
                    </Cell>
                    <Cell fold="actions" className="text-right">
                      <Button onClick={() => setRestored(backup)} aria-label={`${t.data.restore} ${backup}`}>
                        {t.data.restore}
                      </Button>
                    </Cell>
                  </tr>
                ))}
              </tbody>
            </TableBox>
          )
        }
      </Loaded>
      <Form
        action={t.data.make}
        kind="plain"
        className="flex flex-col gap-3 border-t border-line p-4"
        send={async () => {
          await answer(api.operate['database-backups'].$post())
          await queries.invalidateQueries({ queryKey: ['databases'] })
        }}
      />
      {restored !== null && (
        <Made
          title={t.data.restoreOf(restored)}
          parts={[{ said: t.data.restoreSaid, text: `headway db restore ${restored} --confirm ${restored}` }]}
          close={() => setRestored(null)}
        />
      )}
    </Panel>
  )
}

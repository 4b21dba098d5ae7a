import { useQueryClient } from '@tanstack/react-query'
import type { InferResponseType } from 'hono/client'
import { useState } from 'react'
import { answer, api } from '../../api/client.ts'
import { useMay } from '../../shell/role.ts'
import { t } from '../../texts/en.ts'
import { textOf } from '../../ui/act.ts'
import { Foreign } from '../../ui/foreign.tsx'
import { Field, Form } from '../../ui/form.tsx'
import { count } from '../../ui/format.ts'
import { Command, Panel } from '../../ui/parts.tsx'

type Receipt = InferResponseType<(typeof api.door.projects)[':project']['events']['$post'], 200>

/** How the history of other systems is taken in: by command where it is, or from a file here. */
export const ImportTab = ({ project }: { project: string }) => {
  const mayImport = useMay('operator', project)
  const at = `HEADWAY_SERVER=${location.origin} HEADWAY_TOKEN=… `
  const ways = [
    [t.door.importGit, `${at}headway import git https://github.com/octo/shop.git --tags 'v*' --service shop`],
    [
      t.door.importGitHub,
      `gh api --paginate 'repos/octo/shop/pulls?state=all' > pulls.json\n${at}headway import github *.json --repository octo/shop --service shop`,
    ],
    [t.door.importGitLab, `${at}headway import gitlab *.json --repository octo/shop --service shop`],
    [
      t.door.importCsv,
      `${at}headway import csv cicd_deployment_commits.csv commits.csv commits_diffs.csv incidents.csv`,
    ],
  ] as const
  return (
    <div className="grid items-start gap-4 xl:grid-cols-[minmax(0,1fr)_22rem]">
      <Panel title={t.settings.tabs.import}>
        <p className="m-0 mb-4 text-soft">
          {t.door.importDetail} {t.door.where}
        </p>
        <ol className="m-0 flex list-none flex-col gap-4 p-0">
          {ways.map(([what, command]) => (
            <li key={what} className="flex flex-col gap-2">
              <span>{what}</span>
              <Command text={command} />
            </li>
          ))}
        </ol>
      </Panel>
      {mayImport && <Upload project={project} />}
    </div>
  )
}

const Upload = ({ project }: { project: string }) => {
  const queries = useQueryClient()
  const [receipt, setReceipt] = useState<Receipt | null>(null)
  return (
    <Panel title={t.door.importRecords}>
      <p className="m-0 mb-4 text-soft">{t.door.importRecordsDetail}</p>
      <Form
        action={t.door.upload}
        send={async (data) => {
          const file = data.get('file')
          setReceipt(null)
          if (file instanceof File) setReceipt(await send(project, textOf(data, 'source') || 'import', file))
          await queries.invalidateQueries()
        }}
      >
        <Field name="file" label={t.door.file} type="file" accept=".json,.ndjson,application/json" required />
        <Field name="source" label={t.door.countsAs} defaultValue="import" maxLength={63} />
      </Form>
      <p role="status" className="m-0 mt-4 text-good empty:hidden">
        {receipt && (receipt.outcome === 'duplicate' ? t.door.duplicate : t.door.recorded(count(receipt.facts)))}
      </p>
      {receipt && receipt.unplaced.length > 0 && (
        <p className="m-0 mt-2 text-wait">
          <Foreign>{t.door.unplacedOnes(receipt.unplaced.slice(0, 20).join(', '))}</Foreign>
        </p>
      )}
    </Panel>
  )
}

/** The API reads these bodies as bytes: they are sent as they are. */
const send = async (project: string, source: string, file: File): Promise<Receipt> => {
  const { events } = api.door.projects[':project']
  const init = { body: await file.arrayBuffer(), headers: { 'content-type': 'application/json' } }
  return answer(events.$post({ param: { project }, query: { source } }, { init }))
}

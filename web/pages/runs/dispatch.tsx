import { useQuery, useQueryClient } from '@tanstack/react-query'
import { useId, useState } from 'react'
import { answer, api } from '../../api/client.ts'
import { refs, repositories, runs } from '../../api/queries.ts'
import { Refusal } from '../../api/refusal.ts'
import { t } from '../../texts/en.ts'
import { textOf } from '../../ui/act.ts'
import { Confirm } from '../../ui/dialog.tsx'
import { Area, Field, Select } from '../../ui/form.tsx'
import { branchOf } from '../../ui/format.ts'
import { Loaded } from '../../ui/states.tsx'

const here = api.requests.projects[':project'].repositories[':repository']
const kinds = ['workflow', 'event', 'release'] as const
type Kind = (typeof kinds)[number]

/** Starts a workflow by hand, or what follows an event of one's own or a release. */
export const Dispatch = ({ project, close, done }: { project: string; close: () => void; done: () => void }) => {
  const known = useQuery(repositories(project))
  const [chosen, setChosen] = useState<string | null>(null)
  const [kind, setKind] = useState<Kind>('workflow')
  const queries = useQueryClient()
  return (
    <Confirm
      title={t.dispatch.title}
      action={t.dispatch.action}
      close={close}
      act={async (data) => {
        await raise(project, kind, data)
        await queries.invalidateQueries({ queryKey: ['runs'] })
        done()
      }}
    >
      <Select
        name="what"
        label={t.dispatch.what}
        options={kinds}
        names={t.dispatch.kinds}
        value={kind}
        choose={(picked) => setKind(kinds.find((one) => one === picked) ?? 'workflow')}
      />
      <Loaded query={known}>
        {(all) => {
          // What was pushed to last comes first.
          const names = all
            .toSorted((one, other) => (other.pushedAt ?? 0) - (one.pushedAt ?? 0))
            .map(({ repository }) => repository)
          const repository = chosen ?? names[0]
          if (repository === undefined) return <p className="m-0 text-wait">{t.dispatch.noRepository}</p>
          return (
            <>
              <Select
                name="repository"
                label={t.dispatch.repository}
                value={repository}
                options={names}
                choose={setChosen}
              />
              {kind === 'workflow' && <Workflow key={repository} project={project} repository={repository} />}
            </>
          )
        }}
      </Loaded>
      {kind === 'event' && (
        <>
          <Field name="event_type" label={t.dispatch.event} required maxLength={100} autoCapitalize="none" />
          <Area name="payload" label={t.dispatch.payload} hint={t.dispatch.payloadHint} value="{}" />
        </>
      )}
      {kind === 'release' && <Field name="tag" label={t.dispatch.tag} required maxLength={250} autoCapitalize="none" />}
    </Confirm>
  )
}

/** Which file, where, with what: the files of its latest runs and its branches and tags are proposed. */
const Workflow = ({ project, repository }: { project: string; repository: string }) => {
  const { data: known } = useQuery(runs(project, { search: repository }))
  const { data: there = [] } = useQuery(refs(project, repository))
  const files = useId()
  const names = useId()
  const ran = (known?.runs ?? []).flatMap((run) => (run.repository === repository ? (run.workflow ?? []) : []))
  return (
    <>
      <Field
        name="workflow"
        label={t.dispatch.workflow}
        hint={t.dispatch.workflowHint}
        placeholder="release.yml"
        required
        list={files}
        autoCapitalize="none"
        autoComplete="off"
      />
      <Field
        name="ref"
        label={t.dispatch.ref}
        hint={t.dispatch.refHint}
        maxLength={300}
        list={names}
        autoCapitalize="none"
        autoComplete="off"
      />
      <Area name="inputs" label={t.dispatch.inputs} hint={t.dispatch.inputsHint} rows={3} />
      <datalist id={files}>
        {[...new Set(ran.map(fileOf))].map((file) => (
          <option key={file} value={file} />
        ))}
      </datalist>
      <datalist id={names}>
        {there.map(({ ref }) => (
          <option key={ref} value={branchOf(ref)} />
        ))}
      </datalist>
    </>
  )
}

const raise = (project: string, kind: Kind, data: FormData): Promise<unknown> => {
  const param = { project, repository: textOf(data, 'repository') }
  switch (kind) {
    case 'workflow': {
      const file = fileOf(textOf(data, 'workflow'))
      const workflow = /\.ya?ml$/.test(file) ? file : `${file}.yml`
      const json = { ref: textOf(data, 'ref') || null, inputs: inputsIn(textOf(data, 'inputs')) }
      return answer(here.workflows[':workflow'].dispatches.$post({ param: { ...param, workflow }, json }))
    }
    case 'event': {
      const json = { event_type: textOf(data, 'event_type'), client_payload: payloadIn(textOf(data, 'payload')) }
      return answer(here.dispatches.$post({ param, json }))
    }
    case 'release':
      return answer(here.releases.$post({ param, json: { tag: textOf(data, 'tag') } }))
  }
}

const fileOf = (path: string): string => path.replace(/^\.github\/workflows\//, '')

const refuse = (path: string, detail: string): never => {
  throw new Refusal({ kind: 'bad-input', status: 0, detail, next: null, path })
}

const inputsIn = (text: string): Record<string, string> =>
  Object.fromEntries(
    text
      .split('\n')
      .filter((line) => line.trim() !== '')
      .map((line): readonly [string, string] => {
        const [, name, value] = /^\s*([^=\s][^=]*?)\s*=(.*)$/.exec(line) ?? []
        return name === undefined || value === undefined
          ? refuse('inputs', t.dispatch.badInput(line.trim()))
          : [name, value.trim()]
      }),
  )

type Json = string | number | boolean | null | Json[] | { [name: string]: Json }

const payloadIn = (text: string): Record<string, Json> => {
  try {
    const payload: unknown = JSON.parse(text === '' ? '{}' : text)
    if (isObject(payload)) return payload
  } catch {
    // told below
  }
  return refuse('payload', t.dispatch.badPayload)
}

const isObject = (payload: unknown): payload is Record<string, Json> =>
  typeof payload === 'object' && payload !== null && !Array.isArray(payload)

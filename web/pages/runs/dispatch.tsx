import { useQuery, useQueryClient } from '@tanstack/react-query'
import { useId, useState } from 'react'
import { answer, api } from '../../api/client.ts'
import { protectedEnvironments } from '../../api/deployment-queries.ts'
import { refs, repositories } from '../../api/queries.ts'
import { Refusal } from '../../api/refusal.ts'
import { type Dispatchable, dispatchable } from '../../api/run-queries.ts'
import { t } from '../../texts/en.ts'
import { textOf } from '../../ui/act.ts'
import { Confirm } from '../../ui/dialog.tsx'
import { Foreign } from '../../ui/foreign.tsx'
import { Area, Check, Field, Select } from '../../ui/form.tsx'
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

/** Which workflow of which branch or tag, and what that one wants to know. */
const Workflow = ({ project, repository }: { project: string; repository: string }) => {
  const { data: there = [] } = useQuery(refs(project, repository))
  const [ref, setRef] = useState('')
  const [chosen, setChosen] = useState<string | null>(null)
  const names = useId()
  const isKnown = ref === '' || there.some((one) => branchOf(one.ref) === ref)
  const query = useQuery(dispatchable(project, repository, isKnown ? ref : ''))
  return (
    <>
      <Field
        name="ref"
        label={t.dispatch.ref}
        hint={isKnown ? t.dispatch.refHint : <span className="text-wait">{t.dispatch.noRef}</span>}
        maxLength={300}
        list={names}
        autoCapitalize="none"
        autoComplete="off"
        value={ref}
        onChange={(event) => setRef(event.target.value)}
      />
      <datalist id={names}>
        {there.map(({ ref: one }) => (
          <option key={one} value={branchOf(one)} />
        ))}
      </datalist>
      <Loaded query={query}>
        {({ workflows, faults }) => {
          const workflow = workflows.find((one) => one.workflow === chosen) ?? workflows[0]
          const unreadable = faults.map((fault) => (
            <p key={fault} className="m-0 break-words text-xs text-wait">
              <Foreign>{fault}</Foreign>
            </p>
          ))
          if (workflow === undefined)
            return (
              <>
                <p className="m-0 text-wait">{t.dispatch.noWorkflow}</p>
                {unreadable}
              </>
            )
          return (
            <>
              {unreadable}
              <Select
                name="workflow"
                label={t.dispatch.workflow}
                value={workflow.workflow}
                options={workflows.map((one) => one.workflow)}
                names={Object.fromEntries(workflows.map((one) => [one.workflow, calledOf(one)]))}
                choose={setChosen}
              />
              {workflow.inputs.map((input) => (
                <Input key={`${ref} ${workflow.workflow} ${input.name}`} project={project} input={input} />
              ))}
            </>
          )
        }}
      </Loaded>
    </>
  )
}

/** A workflow without a name of its own is called by its path, which says no more than its file. */
const calledOf = ({ workflow, name }: Dispatchable): string =>
  name.endsWith(`/${workflow}`) ? workflow : `${name} (${workflow})`

/** One input, asked for as its type is. */
const Input = ({ project, input }: { project: string; input: Dispatchable['inputs'][number] }) => {
  const about = {
    name: fieldOf(input.name),
    label: <Foreign>{input.name}</Foreign>,
    hint: input.description && <Foreign>{input.description}</Foreign>,
  }
  const value = input.default === null ? '' : String(input.default)
  const asked = { ...about, required: input.isRequired, defaultValue: value }
  switch (input.type) {
    case 'boolean':
      return (
        <>
          <input type="hidden" name="switch" value={input.name} />
          <Check {...about} isOn={value === 'true'} />
        </>
      )
    case 'choice':
      return <Select {...about} options={input.options} value={value || input.options[0]} />
    case 'number':
      return <Field {...asked} type="number" step="any" />
    case 'environment':
      return <EnvironmentField project={project} {...asked} />
    case 'string':
      return <Field {...asked} autoComplete="off" />
  }
}

const EnvironmentField = ({ project, ...rest }: { project: string } & Parameters<typeof Field>[0]) => {
  const names = useId()
  const { data: known } = useQuery(protectedEnvironments(project))
  return (
    <>
      <Field {...rest} list={names} autoCapitalize="none" autoComplete="off" />
      <datalist id={names}>
        {known?.environments.map(({ environment }) => (
          <option key={environment} value={environment} />
        ))}
      </datalist>
    </>
  )
}

/** An input may be called as another field is. */
const fieldOf = (input: string): string => `input:${input}`

const raise = (project: string, kind: Kind, data: FormData): Promise<unknown> => {
  const param = { project, repository: textOf(data, 'repository') }
  switch (kind) {
    case 'workflow':
      return start(param, data)
    case 'event': {
      const json = { event_type: textOf(data, 'event_type'), client_payload: payloadIn(textOf(data, 'payload')) }
      return answer(here.dispatches.$post({ param, json }))
    }
    case 'release':
      return answer(here.releases.$post({ param, json: { tag: textOf(data, 'tag') } }))
  }
}

const start = async (param: { project: string; repository: string }, data: FormData): Promise<void> => {
  const workflow = textOf(data, 'workflow')
  if (workflow === '') refuse('ref', t.dispatch.noWorkflow)
  const json = { ref: textOf(data, 'ref') || null, inputs: inputsIn(data) }
  try {
    await answer(here.workflows[':workflow'].dispatches.$post({ param: { ...param, workflow }, json }))
  } catch (error) {
    if (!(error instanceof Refusal)) throw error
    const [, input] = /^inputs\.(.+)$/.exec(error.path ?? '') ?? []
    throw input === undefined ? error : new Refusal({ ...error, path: fieldOf(input) }, { cause: error })
  }
}

/** A switch that is off is not in a form's data. */
const inputsIn = (data: FormData): Record<string, string | boolean> => {
  const texts = [...data].flatMap(([field, value]): (readonly [string, string])[] =>
    field.startsWith(fieldOf('')) ? [[field.slice(fieldOf('').length), String(value)]] : [],
  )
  const switches = data.getAll('switch').map((input) => [String(input), data.has(fieldOf(String(input)))] as const)
  return Object.fromEntries<string | boolean>([...texts, ...switches])
}

const refuse = (path: string, detail: string): never => {
  throw new Refusal({ kind: 'bad-input', status: 0, detail, next: null, path })
}

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

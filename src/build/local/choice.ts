import { basename } from 'node:path'
import { Problem } from '../../problem.ts'
import type { CommitReader } from '../git.ts'
import type { LocalOrder } from './engine.ts'

/** Which file, and for which event; null: every one that the event starts. */
export type Choice = { readonly workflow: string | null; readonly name: string }

const folder = '.github/workflows'

/** What an order means at a commit. Throws a `Problem` that names what there is when a workflow or a job is not there. */
export const chooseWorkflow = async (reader: CommitReader, order: LocalOrder): Promise<Choice> => {
  const { name } = order.event
  if (order.job) return { workflow: await withJob(reader, order.workflow, order.job), name: name ?? 'push' }
  if (order.workflow === null && name === 'workflow_dispatch') return { workflow: await dispatched(reader), name }
  if (order.workflow === null) return { workflow: null, name: name ?? 'push' }
  const workflow = await fileFor(reader, order.workflow)
  if (name !== null) return { workflow, name }
  const { parseWorkflow } = await import('../engine.ts')
  const parsing = parseWorkflow(workflow, (await reader.read(workflow)) ?? '')
  if (parsing.kind === 'invalid') return { workflow, name: 'push' }
  const events = parsing.workflow.on.map(({ event }) => event)
  const usual = ['push', 'pull_request', 'workflow_dispatch'].find((event) => events.includes(event))
  return { workflow, name: usual ?? events.find((event) => event !== 'workflow_call') ?? 'push' }
}

/** The one workflow that has a job, among all or in the one that was named. */
const withJob = async (reader: CommitReader, wanted: string | null, job: string): Promise<string> => {
  const { parseAll } = await import('../engine.ts')
  const file = wanted === null ? null : await fileFor(reader, wanted)
  const known = (await parseAll(reader)).flatMap(({ file: path, parsing }) =>
    parsing.kind === 'parsed' && (file === null || file === path)
      ? parsing.workflow.jobs.map(({ id }) => ({ path, id }))
      : [],
  )
  const found = known.filter(({ id }) => id.toLowerCase() === job.toLowerCase())
  if (found[0] && found.length === 1) return found[0].path
  const choices = (found.length > 1 ? found : known).map(({ path, id }) => (found.length > 1 ? basename(path) : id))
  throw new Problem({
    kind: found.length > 1 ? 'which-workflow' : 'unknown-job',
    status: 404,
    detail: found.length > 1 ? `several workflows have a job ${job}` : `there is no job ${job}`,
    next: `name one of ${[...new Set(choices)].join(', ')}`,
  })
}

/** The one workflow that can be dispatched. */
const dispatched = async (reader: CommitReader): Promise<string> => {
  const { parseAll } = await import('../engine.ts')
  const files = (await parseAll(reader)).flatMap(({ file, parsing }) => {
    const isMeant = parsing.kind === 'invalid' || parsing.workflow.on.some(({ event }) => event === 'workflow_dispatch')
    return isMeant ? [file] : []
  })
  const [only, ...others] = files
  if (only !== undefined && others.length === 0) return only
  const names = files.map((file) => basename(file)).join(', ')
  throw new Problem({
    kind: 'which-workflow',
    status: 400,
    detail:
      only === undefined ? `no workflow in ${folder} has workflow_dispatch` : 'several workflows can be dispatched',
    ...(only === undefined ? {} : { next: `name one of ${names}` }),
  })
}

const fileFor = async (reader: CommitReader, wanted: string): Promise<string> => {
  const files = (await reader.list(folder)).filter((path) => /^[^/]+\.ya?ml$/.test(path.slice(folder.length + 1)))
  const name = basename(wanted)
  const found = files.find((path) => [name, `${name}.yml`, `${name}.yaml`].includes(basename(path)))
  if (found !== undefined) return found
  const there = files.map((path) => basename(path)).join(', ')
  throw new Problem({
    kind: 'unknown-workflow',
    status: 404,
    detail: `there is no workflow ${wanted} in ${folder}`,
    next: there === '' ? 'headway eject workflow writes the generated one there' : `name one of ${there}`,
  })
}

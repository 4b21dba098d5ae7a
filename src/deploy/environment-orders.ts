import { type Document, parseDocument, YAMLSeq } from 'yaml'
import type { Ids } from '../clock.ts'
import { fact } from '../ledger/fact.ts'
import type { Ledger, Views } from '../ledger/ledger.ts'
import { defaultEnvironment, type EnvironmentName, type ProjectName, type ServiceName } from '../names.ts'
import { Problem } from '../problem.ts'
import type { EnvironmentBook } from './environment-book.ts'
import {
  type DeploymentWindow,
  environmentPath,
  type PlannedFreeze,
  parseEnvironmentPath,
  readEnvironments,
} from './environment-file.ts'
import type { Environments, FileChange } from './environments.ts'
import { environmentDefined, environmentRemoved } from './facts.ts'
import { noEnvironment } from './requests.ts'
import { parseDesiredPath } from './target.ts'

/** What is said of an environment; what is not said stays as it is. Times as they stand in the file: `30m`. */
export type EnvironmentWish = {
  readonly from?: string | undefined
  readonly policy?: 'automatic' | 'soak' | 'approval' | undefined
  readonly soak?: string | undefined
  readonly role?: string | undefined
  readonly quorum?: number | undefined
  readonly expires?: string | undefined
  readonly notAuthor?: boolean | undefined
  readonly strategy?: string | undefined
  readonly drift?: 'mend' | 'report' | undefined
  /** It stands between this one and what this one has taken from until now. */
  readonly before?: EnvironmentName | undefined
  /** When deployments may begin, in place of all that is said of it; none: at any time. */
  readonly windows?: readonly DeploymentWindow[] | undefined
  /** The freezes that are planned, in place of all there are. */
  readonly freezes?: readonly PlannedFreeze[] | undefined
}

/** Changes of the environments by order: commits to the environments repository like any other, made for whoever orders them. */
export const createEnvironmentOrders = (ports: {
  readonly ledger: Ledger
  readonly views: Views
  readonly ids: Ids
  readonly environments: Environments
  readonly book: EnvironmentBook
}) => {
  const { ledger, ids, environments: repository, book } = ports

  /** The environment files as they are; production's own is written out when it was only implied. */
  const files = async (): Promise<Map<string, string>> => {
    const head = await repository.head()
    const paths = head ? (await repository.list(head)).map(({ path }) => path) : []
    const own = paths.filter((path) => parseEnvironmentPath(path) !== null)
    const texts = await repository.readAll(own.map((path) => `${head}:${path}`))
    const found = new Map(own.map((path, index) => [path, texts[index]?.text ?? '']))
    if (own.length === 0) found.set(environmentPath(defaultEnvironment), 'promote:\n  from: push\n')
    return found
  }

  /** Commits what has changed, when it can be read as a whole; else a Problem says what is wrong with it. */
  const write = async (before: Map<string, string>, after: Map<string, string>, subject: string): Promise<void> => {
    readEnvironments([...after].map(([path, text]) => ({ path, text })))
    const paths = [...new Set([...before.keys(), ...after.keys()])]
    const changes = paths.map((path): FileChange => ({ path, text: after.get(path) ?? null }))
    const [first, ...also] = changes
    if (first) await repository.commit({ ...first, also, subject, trailer: `Headway-Intent: ${ids('environment')}` })
    await book.refresh()
  }

  return {
    /** Makes an environment, or changes what is said of it. */
    define: async (name: EnvironmentName, wish: EnvironmentWish, by: string): Promise<void> => {
      const before = await files()
      const path = environmentPath(name)
      const after = new Map(before)
      const { before: next, ...own } = wish
      if (next !== undefined) {
        const text = before.get(environmentPath(next))
        if (text === undefined) throw noEnvironment(next, book)
        after.set(environmentPath(next), edited(text, { from: name }))
        if (own.from === undefined) Object.assign(own, { from: book.find(next)?.promote.from ?? 'push' })
      }
      after.set(path, edited(before.get(path) ?? '', own))
      await write(before, after, `Define ${name} (${by})`)
      const text = after.get(path) ?? ''
      await ledger.append([
        fact(environmentDefined, { subject: `environment:${name}`, actor: by, payload: { environment: name, text } }),
      ])
    },

    /** Takes an environment away, when nothing stands there and nothing comes from it. */
    remove: async (name: EnvironmentName, by: string): Promise<void> => {
      const before = await files()
      if (!before.has(environmentPath(name))) throw noEnvironment(name, book)
      const head = await repository.head()
      const services = (head ? await repository.list(head) : []).flatMap(({ path }) => {
        const target = parseDesiredPath(path)
        return target?.environment === name ? [`${target.project}/${target.service}`] : []
      })
      if (services.length > 0)
        throw new Problem({
          kind: 'environment-in-use',
          status: 409,
          detail: `${services.join(', ')} ${services.length === 1 ? 'stands' : 'stand'} in ${name}`,
          next: `delete their files in ${name}/ of the environments repository first`,
        })
      const after = new Map(before)
      after.delete(environmentPath(name))
      await write(before, after, `Remove ${name} (${by})`)
      await ledger.append([
        fact(environmentRemoved, { subject: `environment:${name}`, actor: by, payload: { environment: name } }),
      ])
    },

    /** The services of a project that stand in an environment by what main says. */
    servicesIn: async (project: ProjectName, environment: EnvironmentName): Promise<ServiceName[]> => {
      const head = await repository.head()
      return (head ? await repository.list(head) : []).flatMap(({ path }) => {
        const target = parseDesiredPath(path)
        return target && target.project === project && target.environment === environment ? [target.service] : []
      })
    },
  }
}
export type EnvironmentOrders = ReturnType<typeof createEnvironmentOrders>

const places: Readonly<Record<Exclude<keyof EnvironmentWish, 'before'>, readonly string[]>> = {
  from: ['promote', 'from'],
  policy: ['promote', 'policy'],
  soak: ['promote', 'soak'],
  role: ['promote', 'approval', 'role'],
  quorum: ['promote', 'approval', 'quorum'],
  expires: ['promote', 'approval', 'expires'],
  notAuthor: ['promote', 'approval', 'notAuthor'],
  strategy: ['strategy'],
  drift: ['drift'],
  windows: ['windows'],
  freezes: ['freeze'],
}

/** The text with what is wished set in place: comments and everything else stay as somebody wrote them. */
const edited = (text: string, wish: Omit<EnvironmentWish, 'before'>): string => {
  const document = parseDocument(text)
  for (const [key, path] of Object.entries(places)) {
    const value = Object.entries(wish).find(([name]) => name === key)?.[1]
    if (Array.isArray(value)) setList(document, path, value)
    else if (value !== undefined) document.setIn(path, value)
  }
  const made = document.toString({ lineWidth: 0 })
  return ['', 'null', '{}'].includes(made.trim()) ? '# as by default: every push that passed comes here\n' : made
}

/** A line for each; where there is none, the key goes. */
const setList = (document: Document, path: readonly string[], items: readonly unknown[]): void => {
  if (items.length === 0) document.deleteIn(path)
  else {
    const list = new YAMLSeq(document.schema)
    list.items = items.map((item) => document.createNode(item, { flow: true }))
    document.setIn(path, list)
  }
}

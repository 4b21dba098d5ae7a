import { chmodSync, chownSync, existsSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { z } from 'zod'
import { effectSync } from '../../../effect.ts'
import { type Home, isRoot } from '../../../home.ts'
import type { JobUser } from '../../jobs/processes.ts'
import { type CellTools, cellId } from '../host.ts'
import { describeSize, jobCpuWeight } from '../limits.ts'
import type { Cell, CellOrder, ContainerWish } from '../sandbox.ts'
import { actionContainers } from './actions.ts'
import {
  checkWish,
  homeLabel,
  inspect,
  killContainer,
  labelsOf,
  makeNetwork,
  makeVolumes,
  type Network,
  removeLabelled,
  startContainer,
} from './containers.ts'
import { at, type Engine, jsonLines } from './engine.ts'
import { type ExecEnds, killAll, outputOf, runQuietly, startExec } from './exec.ts'
import { ensureImage } from './images.ts'
import { hostsOf, openRelay } from './relay.ts'
import { startServices } from './services.ts'

export type DockerParts = {
  readonly home: Home
  readonly tools: CellTools
  readonly engine: Engine
  /** Where Headway is reached from this machine. */
  readonly serverUrl: () => string
  /** Opens a cell for a job that has services but no container. */
  readonly opener: (order: CellOrder) => Promise<Cell>
}

/** The cell of a job that names a container of its own or services. */
export const openDockerCell = async (order: CellOrder, parts: DockerParts): Promise<Cell> => {
  const { home, engine } = parts
  if (order.workspace.root.includes(':'))
    throw new Error(`${order.workspace.root} has a colon, which Docker cannot mount`)
  const labels = labelsOf(home, order)
  const wishes = [...(order.container ? [order.container] : []), ...order.services]
  for (const wish of wishes) checkWish(wish, labels)
  await using taken = new AsyncDisposableStack()
  await removeLabelled(engine, labels) // what an interrupted attempt has left
  taken.defer(() => removeLabelled(engine, labels))
  const network = await makeNetwork(engine, labels)
  await makeVolumes(engine, wishes, labels)
  const services = await startServices(order, parts, { labels, network: network.name, stack: taken })
  const cell = order.container
    ? await openContainer(order, order.container, parts, { labels, network, stack: taken })
    : taken.adopt(await parts.opener(order), (one) => one[Symbol.asyncDispose]())
  const contexts = { container: { ...cell.contexts.container, network: network.name }, services }
  const containers = taken.use(actionContainers(order, cell, parts, async () => network))
  const held = taken.move()
  const endAll = async (): Promise<void> => {
    await containers.endAll()
    await cell.endAll()
  }
  return { ...cell, contexts, containers, endAll, [Symbol.asyncDispose]: () => held.disposeAsync() }
}

/** A cell of this machine, in which container actions can be used, too; nothing is done for them before the first. */
export const withActionContainers = (order: CellOrder, cell: Cell, parts: DockerParts): Cell => {
  const labels = labelsOf(parts.home, order)
  let network: Promise<Network> | null = null
  const containers = actionContainers(order, cell, parts, () => {
    network ??= makeNetwork(parts.engine, labels)
    return network
  })
  return {
    ...cell,
    containers,
    endAll: async () => {
      await containers.endAll()
      await cell.endAll()
    },
    [Symbol.asyncDispose]: async () => {
      await containers[Symbol.asyncDispose]()
      await cell[Symbol.asyncDispose]()
      if (network) await removeLabelled(parts.engine, labels)
    },
  }
}

/** Removes whatever jobs of this home have left on an engine. */
export const sweepDocker = (engine: Engine, home: Home): Promise<void> =>
  removeLabelled(engine, { [homeLabel]: home.root })

type Held = {
  readonly labels: Readonly<Record<string, string>>
  readonly network: Network
  readonly stack: AsyncDisposableStack
}

/** The first process: it waits, and takes the children that others have left. */
const idle = { entrypoint: ['/bin/sh'], args: ['-c', 'while :; do sleep 86400 & wait; done'] }

/** Where the Node.js is that JavaScript actions run by; it needs a C library like this machine's. */
const nodeFolders = (home: Home): readonly string[] =>
  [join(home.caches, 'tools'), dirname(process.execPath)].filter((path) => existsSync(path) && !path.includes(':'))

const openContainer = async (
  order: CellOrder,
  wish: ContainerWish,
  { home, engine, tools, serverUrl }: DockerParts,
  { labels, network, stack }: Held,
): Promise<Cell> => {
  const { workspace, clock, say } = order
  const { limits, meter } = tools
  await ensureImage(engine, wish, say, order.cancel)
  // The container's root can make set-user-id files of the machine's root: nobody else may come near them.
  effectSync('build.close-workspace', () => chmodSync(workspace.root, 0o700))
  const relay = network.gateway === null ? null : stack.use(await openRelay(network.gateway, serverUrl()))
  const id = await startContainer(
    engine,
    { ...wish, env: { ...wish.env, CI: 'true', GITHUB_ACTIONS: 'true', HOME: workspace.home } },
    {
      ...{ labels, network: network.name, alias: null, command: idle, workingDir: workspace.work },
      binds: [
        ...['work', 'home', 'temp', 'actions', 'files']
          .map((name) => join(workspace.root, name))
          .map((path) => `${path}:${path}`),
        ...nodeFolders(home).map((path) => `${path}:${path}:ro`),
      ],
      extraHosts: hostsOf(network),
      ...{ memoryBytes: limits.memoryBytes, cpus: limits.cpus, processes: limits.processes },
      shares: Math.round(jobCpuWeight * 10.24),
    },
  )
  // An ordinary user could not remove what the container's root has made.
  if (!isRoot())
    stack.defer(() => runQuietly(engine, id, ['/bin/sh', '-c', giveBack, String(process.getuid?.()), workspace.root]))
  const { Config } = await inspect(engine, id)
  const path = (Config.Env ?? []).find((one) => one.startsWith('PATH='))?.slice('PATH='.length)
  const user = await takeUser(engine, id, order)
  const over = new AbortController()
  const overLimit = (reason: Error): void => {
    if (over.signal.aborted) return
    over.abort(reason)
    // Not by a program in it: where processes are used up, none could be started. The end of the job removes the container.
    killContainer(engine, id).catch(() => undefined)
  }
  const events = stack.use(
    await followEvents(engine, id, () =>
      overLimit(new Error(`the job was ended: more than ${describeSize(limits.memoryBytes ?? 0)} of memory`)),
    ),
  )
  const watching = await meter.watch({
    ...{ id: cellId(order), directory: workspace.root, limits, onOver: overLimit },
    family: { marker: order.marker, directory: null, sessions: new Set(), user: order.user },
    elsewhereBytes: () => writtenBytes(engine, id),
    processes: () => processesIn(engine, id),
  })
  stack.defer(() => watching.stop())
  return {
    isolation: 'docker',
    user,
    path: (path ?? '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin').split(':'),
    serverUrl: relay?.url ?? null,
    hasHostTools: false,
    contexts: { container: { id }, services: {} },
    over: over.signal,
    start: async (start) => {
      over.signal.throwIfAborted()
      return startExec(engine, id, start, events, clock)
    },
    endAll: async () => {
      if (!over.signal.aborted) await killAll(engine, id)
    },
    [Symbol.asyncDispose]: async () => undefined, // the stack has it all
  }
}

const giveBack = 'cd "$1" && chown -R "$0" work home temp actions files; true'

/**
 * The user that the image runs as, whose the job's directories become: GitHub's own runner leaves them to another, and asks for images
 * whose user is root.
 */
const takeUser = async (engine: Engine, id: string, { workspace, user }: CellOrder): Promise<JobUser | null> => {
  const said = await outputOf(engine, id, ['/bin/sh', '-c', 'id -u; id -g'])
  const [uid = Number.NaN, gid = Number.NaN] = said.trim().split('\n').map(Number)
  if (!Number.isInteger(uid) || !Number.isInteger(gid))
    throw new Error('the image has no /bin/sh and id, without which no step can run in it')
  if (!isRoot()) {
    if (uid !== 0 && uid !== process.getuid?.())
      throw new Error(`the image runs as user ${uid}, who cannot write the job's directories; add options: --user root`)
    return user
  }
  effectSync('build.give-workspace', () => {
    for (const directory of [workspace.work, workspace.home, workspace.temp, workspace.actions])
      chownSync(directory, uid, gid)
  })
  return { uid, gid, isExclusive: false }
}

const Event = z.object({
  Action: z.string(),
  Actor: z.object({ Attributes: z.record(z.string(), z.string()).optional() }),
})

/** Follows what the engine tells of a container: programs that ended, memory that ran out. */
const followEvents = async (engine: Engine, id: string, onOutOfMemory: () => void): Promise<ExecEnds & Disposable> => {
  const stop = new AbortController()
  const filters = encodeURIComponent(JSON.stringify({ container: [id], event: ['exec_die', 'oom'] }))
  const response = await engine.open({ method: 'GET', path: `/events?filters=${filters}`, signal: stop.signal })
  const waiting = new Map<string, () => void>()
  const ended = new Set<string>()
  const read = async (): Promise<void> => {
    for await (const { Action, Actor } of jsonLines(response, Event)) {
      if (Action === 'oom') onOutOfMemory()
      const exec = Actor.Attributes?.execID
      if (!Action.startsWith('exec_die') || exec === undefined) continue
      ended.add(exec)
      waiting.get(exec)?.()
    }
  }
  // Without the engine's word the end of the output is waited for.
  read().catch(() => undefined)
  return {
    wait: (exec) => (ended.has(exec) ? Promise.resolve() : new Promise((resolve) => waiting.set(exec, resolve))),
    [Symbol.dispose]: () => stop.abort(),
  }
}

const Size = z.object({ SizeRw: z.number().optional() })
const writtenBytes = async (engine: Engine, id: string): Promise<number> =>
  (await engine.ask({ method: 'GET', path: at`/containers/${id}/json?size=true` }, Size).catch(() => null))?.SizeRw ?? 0

const Stats = z.object({ pids_stats: z.object({ current: z.number().optional() }).optional() })
const processesIn = async (engine: Engine, id: string): Promise<number> => {
  const path = at`/containers/${id}/stats?stream=false&one-shot=true`
  return (await engine.ask({ method: 'GET', path }, Stats).catch(() => null))?.pids_stats?.current ?? 0
}

import { mkdtemp } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import type { Clock } from '../../clock.ts'
import { effect } from '../../effect.ts'
import type { Home } from '../../home.ts'
import { describeError, Problem } from '../../problem.ts'
import { type Cgroups, cgroupNameOf, openCgroups } from '../../processes/cgroups.ts'
import type { JobUser } from '../jobs/processes.ts'
import { prepareWorkspace, removeWorkspace } from '../jobs/workspace.ts'
import { bubblewrapConfinement, findBubblewrap } from './bubblewrap.ts'
import { plainConfinement } from './confinement.ts'
import { openDockerCell, sweepDocker, withActionContainers } from './docker/cell.ts'
import { type Engine, findEngine } from './docker/engine.ts'
import { type CellTools, cellId, openHostCell } from './host.ts'
import { isPostgres, type Postgres, startHostServices } from './host-services.ts'
import { defaultLimits, type JobLimits } from './limits.ts'
import { createMeter } from './meter.ts'
import type { Cell, CellOrder, Isolation, Sandbox } from './sandbox.ts'

export type SandboxParts = {
  readonly home: Home
  readonly clock: Clock
  /** A user of jobs, to try with; null where Headway cannot change users. */
  readonly user: JobUser | null
  /** What the administrator asked for; null: the best that works. */
  readonly wanted: Isolation | null
  readonly limits?: JobLimits | null
  /** Where Headway is reached from this machine. */
  readonly serverUrl: () => string
  /** Directories outside of the system's own that jobs read: tools. */
  readonly readable: readonly string[]
  /** The PostgreSQL of this machine, which serves where there is no engine; rejects with what is missing. */
  readonly findPostgres?: (() => Promise<Postgres>) | undefined
  /** The environment that says where a Docker Engine is. */
  readonly environment?: NodeJS.ProcessEnv
  readonly report: (message: string) => void
}

/**
 * Ends and removes what jobs of a home have left outside of their processes: control groups, containers, networks. For a home whose
 * Headway is gone.
 */
export const sweepSandbox = async ({
  home,
  clock,
  report,
  environment = process.env,
}: Pick<SandboxParts, 'home' | 'clock' | 'report' | 'environment'>): Promise<void> => {
  const cgroups = openCgroups(cgroupNameOf(home.workspaces), clock, report)
  await sweepWith(cgroups, await findEngine(environment), home)
  cgroups.close()
}

const sweepWith = async (cgroups: Cgroups, engine: Engine | null, home: Home): Promise<void> => {
  for (const id of cgroups.ids()) await cgroups.remove(id)
  if (engine) await sweepDocker(engine, home)
}

type Opener = (order: CellOrder) => Promise<Cell>

/**
 * Finds out what can keep jobs apart on this machine by starting a program in each kind, the strongest first, until one holds. Rejects with
 * a Problem when the administrator asked for one that does not.
 */
export const openSandbox = async (parts: SandboxParts): Promise<Sandbox> => {
  const { home, clock, user, wanted, report } = parts
  const engine = await findEngine(parts.environment ?? process.env)
  const cgroups = openCgroups(cgroupNameOf(home.workspaces), clock, report)
  const limits = parts.limits ?? defaultLimits()
  const tools: CellTools = { cgroups, meter: createMeter(clock, cgroups, report), limits }
  const sweep = (): Promise<void> => sweepWith(cgroups, engine, home)
  void cgroups.sweepOthers() // of other homes; nobody waits for it
  await sweep().catch((error: unknown) => report(`what earlier jobs have left: ${describeError(error)}`))
  const failures: string[] = []
  const openers = openersFor(parts, tools)
  for (const [isolation, opener] of wanted === null ? openers : openers.filter(([one]) => one === wanted)) {
    const fault = typeof opener === 'string' ? opener : isolation === 'none' ? null : await tryOut(opener, parts)
    if (fault !== null || typeof opener === 'string') {
      failures.push(`${isolation}: ${fault}`)
      continue
    }
    return {
      isolation,
      note: failures.length === 0 ? null : failures.join('; '),
      open: async (order) => {
        if (isolation === 'none' && !order.isByAdministrator && !order.container) throw new Error(notIsolated)
        const wantsContainers = order.container !== null || order.services.length > 0
        if (!engine) {
          if (!wantsContainers) return opener(order)
          if (order.container || !order.services.every(isPostgres) || !parts.findPostgres)
            throw new Error(noEngine(order))
          return openWithPostgres(order, opener, await parts.findPostgres())
        }
        const docker = { home, tools, engine, serverUrl: parts.serverUrl, opener }
        return wantsContainers
          ? openDockerCell(order, docker)
          : withActionContainers(order, await opener(order), docker)
      },
      sweep,
      close: () => cgroups.close(),
    }
  }
  cgroups.close()
  throw cannotIsolate(wanted, failures, user)
}

/** The kinds of isolation, the strongest first, each with what opens a cell of it or with what is missing for it. */
const openersFor = (
  { user, readable }: SandboxParts,
  tools: CellTools,
): readonly (readonly [Isolation, Opener | string])[] => {
  const program = findBubblewrap()
  const partsFor = (order: CellOrder) => ({
    workspace: order.workspace,
    user: order.user,
    marker: order.marker,
    clock: order.clock,
    steps: order.steps,
    limits: tools.limits,
    countsProcesses: tools.cgroups.enforced,
    placed: (pid: number): Promise<void> => tools.cgroups.placeSoon(cellId(order), pid),
  })
  const inBubblewrap: Opener = (order) => {
    const parts = { program: program ?? '', readable: [...readable, ...(order.readable ?? [])], ...partsFor(order) }
    return openHostCell(order, 'bubblewrap', bubblewrapConfinement(parts), tools)
  }
  const plain =
    (isolation: Isolation): Opener =>
    (order) =>
      openHostCell(order, isolation, plainConfinement(partsFor(order)), tools)
  return [
    ['bubblewrap', program ? inBubblewrap : 'it is not installed (apt-get install bubblewrap)'],
    ['unprivileged user', user ? plain('unprivileged user') : 'Headway is not root and cannot change users'],
    ['none', plain('none')],
  ]
}

const openWithPostgres = async (order: CellOrder, opener: Opener, postgres: Postgres): Promise<Cell> => {
  await using taken = new AsyncDisposableStack()
  const readable = postgres.directory.startsWith('/usr/') ? [] : [dirname(postgres.directory)]
  const cell = taken.use(await opener({ ...order, readable }))
  const services = await startHostServices(order, cell, postgres, taken)
  const held = taken.move()
  return { ...cell, contexts: { ...cell.contexts, services }, [Symbol.asyncDispose]: () => held.disposeAsync() }
}

const proof = 'kept apart'

/** Starts one program in a cell, which also must not see Headway's own files; says what went wrong. */
const tryOut = async (opener: Opener, { home, clock, user }: SandboxParts): Promise<string | null> => {
  const root = await effect('build.make-trial-directory', () => mkdtemp(join(home.workspaces, '.trial-')))
  const said: string[] = []
  try {
    const workspace = await prepareWorkspace(join(root, 'job'), 'trial', user)
    const cancel = AbortSignal.timeout(20_000)
    const marker = `${root}/` // as of a job, so that it is found by its directory where this process is killed
    const order = {
      run: 'trial',
      key: String(process.pid),
      steps: 1,
      isByAdministrator: true,
      workspace,
      user,
      marker,
      clock,
    }
    await using cell = await opener({ ...order, container: null, services: [], say: () => undefined, cancel })
    const script = `if cat "$0" >/dev/null 2>&1; then echo "it can read $0"; exit 1; fi; : >"$HOME/written" && echo ${proof}`
    const program = await cell.start({
      argv: ['/bin/sh', '-c', script, home.database],
      cwd: workspace.work,
      env: { PATH: '/usr/bin:/bin', HOME: workspace.home },
      marker,
    })
    for (const stream of [program.stdout, program.stderr])
      stream.on('data', (chunk: Buffer) => said.push(chunk.toString().slice(0, 1000)))
    cancel.addEventListener('abort', () => void program.end())
    await program.ended
    const text = said.join('').trim()
    return text === proof ? null : `a trial failed: ${text || 'it ended without a word'}`
  } catch (error) {
    return `a trial failed: ${describeError(error)}`
  } finally {
    await removeWorkspace(root).catch(() => undefined)
  }
}

const notIsolated =
  'nothing on this machine keeps jobs apart, so only jobs that an administrator caused run here; install bubblewrap (apt-get install bubblewrap), or start Headway as root, which gives each job a user of its own'

const noEngine = ({ container, services }: CellOrder): string => {
  const wants = container
    ? `runs in a container (${container.image})`
    : `has services (${services.map(({ id }) => id).join(', ')})`
  return `this job ${wants}, for which there is no Docker Engine on this machine; install one (apt-get install docker.io) whose socket Headway may use, or name another in DOCKER_HOST`
}

const cannotIsolate = (wanted: Isolation | null, failures: readonly string[], user: JobUser | null): Problem =>
  new Problem({
    kind: 'isolation-impossible',
    status: 503,
    detail: `jobs cannot be isolated by ${wanted ?? 'anything'} here: ${failures.join('; ') || 'it was not found'}`,
    next: `headway up without --isolation takes the best that works${user ? '' : '; started as root, Headway gives each job a user of its own'}`,
  })

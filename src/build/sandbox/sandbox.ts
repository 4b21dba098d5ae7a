import type { Clock } from '../../clock.ts'
import { Problem } from '../../problem.ts'
import type { JobUser, ProcessStart, RunningProcess } from '../jobs/processes.ts'
import type { Workspace } from '../jobs/workspace.ts'
import type { Json } from '../workflow/expression.ts'

/** What keeps jobs apart, from the strongest to nothing at all. */
export const isolations = ['docker', 'bubblewrap', 'unprivileged user', 'none'] as const
export type Isolation = (typeof isolations)[number]

const choices: Readonly<Record<string, Isolation>> = {
  bubblewrap: 'bubblewrap',
  user: 'unprivileged user',
  'unprivileged user': 'unprivileged user',
  none: 'none',
}

/** What the administrator chose, as written. A Problem when it is none of the kinds. */
export const parseIsolation = (text: string): Isolation => {
  const isolation = choices[text]
  if (isolation !== undefined) return isolation
  throw new Problem({
    kind: 'unknown-isolation',
    status: 400,
    detail: `jobs are isolated by bubblewrap, user or none, not by ${JSON.stringify(text)}`,
    next: 'leave it out: the best that works here is taken',
  })
}

/** How jobs are kept apart on this machine: chosen once, when the first of them is to run, by really starting something in it. */
export type Sandbox = {
  readonly isolation: Isolation
  /**
   * Makes the cell of one job: its control group, its namespaces, its service containers, healthy, and its container. Rejects with an
   * Error that says what is missing and what to do, having undone all that it did.
   */
  open(order: CellOrder): Promise<Cell>
  /** What is to be told of it to people: what is missing for more. */
  readonly note: string | null
  /** Removes what the jobs of an earlier process of this Headway left behind it: containers, networks, control groups. */
  sweep(): Promise<void>
  /** Lets go of what it holds of the machine, once no cell is open any more. */
  close(): void
}

export type CellOrder = {
  readonly run: string
  /** The job, safe as a file name. */
  readonly key: string
  /** Whether an administrator of the instance caused the run; nobody else's jobs run where nothing isolates. */
  readonly isByAdministrator: boolean
  readonly workspace: Workspace
  readonly user: JobUser | null
  /** Starts with `<run>/<job>/`: every process of the job carries it in its environment. */
  readonly marker: string
  readonly clock: Clock
  /** How many its job has: what pays only from the second program on is not made for one. */
  readonly steps: number
  readonly container: ContainerWish | null
  readonly services: readonly ServiceWish[]
  /** Directories of this machine that it reads besides the tools. */
  readonly readable?: readonly string[]
  /** Says a line in the job's log, masked by the caller. */
  say(line: string): void
  /** Ends waiting for images and for services' health. */
  readonly cancel: AbortSignal
}

/** The cell of one job. Disposing of it leaves no process, container, network or control group of the job. */
export type Cell = AsyncDisposable & {
  /** `docker` where the job named a container of its own, whatever the others have. */
  readonly isolation: Isolation
  /** Whose the job's files are, which may be another than was asked for: a container's own. */
  readonly user: JobUser | null
  /** The PATH to begin with, where it is not this machine's: a container's. */
  readonly path: readonly string[] | null
  /** Where Headway is reached from within it, where that is not as from this machine. */
  readonly serverUrl: string | null
  /** Whether programs of this machine (the tools of `actions/setup-*`, its Node.js) can be run in it. */
  readonly hasHostTools: boolean
  /** The `job.container` and `job.services` contexts. */
  readonly contexts: {
    readonly container: Readonly<Record<string, Json>>
    readonly services: Readonly<Record<string, Json>>
  }
  /** Aborts, with an Error that says so, when the job has gone over a limit; all its processes have been killed then. */
  readonly over: AbortSignal
  /** Starts a program as the leader of a session of its own. Rejects with an Error that names it when it cannot be started. */
  start(start: CellStart): Promise<RunningProcess>
  /** Runs container actions; absent where there is no engine. */
  readonly containers?: ActionContainers
  /** Kills all that runs in it; resolves once nothing is left. */
  endAll(): Promise<void>
}

/** The containers of actions: beside the job's own, in its network, with its directories under the same paths. */
export type ActionContainers = {
  /** Builds an image of a Dockerfile in the job's directories, with the folder that it is in, and resolves to its name. */
  build(dockerfile: string): Promise<string>
  /** Starts the image with `argv[0]` as its entry point (empty: its own) and the rest as its arguments; pulls it where it is not here. */
  run(start: CellStart & { readonly image: string }): Promise<RunningProcess>
}

export type CellStart = Omit<ProcessStart, 'user'> & {
  /** The value of the marker variable, by which what this program leaves behind is found. */
  readonly marker: string
}

/** `container:` of a job, evaluated. */
export type ContainerWish = {
  readonly image: string
  readonly env: Readonly<Record<string, string>>
  readonly ports: readonly string[]
  readonly volumes: readonly string[]
  /** Options of `docker create`, as written. */
  readonly options: string
  readonly credentials: { readonly username: string; readonly password: string } | null
}

/** One of `services:`, evaluated. */
export type ServiceWish = ContainerWish & { readonly id: string }

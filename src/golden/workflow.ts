import { stringify } from 'yaml'
import type { PlannedService } from './discover.ts'
import { languages } from './languages/index.ts'

/** Where the generated workflow would stand, and where `headway eject workflow` writes it. */
export const workflowPath = '.github/workflows/headway.yml'

/** The action that brings a version of each program, and the input that asks for it. */
const setups: Readonly<Record<string, Setup>> = {
  node: { uses: 'actions/setup-node@v4', version: 'node-version' },
  python3: { uses: 'actions/setup-python@v5', version: 'python-version' },
  // It would keep what any branch fetched; `headway/dependencies` keeps what the default branch did.
  go: { uses: 'actions/setup-go@v5', version: 'go-version', with: { cache: 'false' } },
}
type Setup = { readonly uses: string; readonly version: string; readonly with?: Readonly<Record<string, string>> }

/**
 * The workflow that a repository's `headway.yaml` files stand for, in GitHub Actions' syntax: one job for each service. `names`
 * are the files of a service's folder, of which the first lock file keys the cache of dependencies. The text is the same for the
 * same services, and ejecting it changes nothing.
 */
export const workflowFor = (
  services: readonly PlannedService[],
  filesOf: (path: string) => readonly string[],
): string => {
  const [only] = services
  const workflow = {
    name: services.length === 1 && only ? only.definition.name : 'services',
    on: ['push', 'pull_request'],
    jobs: Object.fromEntries(
      services.map((service) => [service.definition.name, jobFor(service, filesOf(service.path))]),
    ),
  }
  return `# What headway.yaml stands for: headway explain shows it, headway eject workflow makes it yours to edit.\n${stringify(workflow, { lineWidth: 0 })}`
}

type Step = {
  name?: string
  id?: string
  if?: string
  uses?: string
  run?: string
  with?: Record<string, string>
  env?: Readonly<Record<string, string>>
}

const jobFor = ({ path, plan, definition }: PlannedService, names: readonly string[]) => {
  const language = languages[definition.language]
  const within = (name: string): string => (path === '.' ? name : `${path}/${name}`)
  const lockFile = language.lockFiles.find((name) => names.includes(name))
  const setup = plan.toolchain ? setups[plan.toolchain.program] : undefined
  const cached = plan.install.length > 0 && lockFile !== undefined
  const steps: Step[] = [
    { uses: 'actions/checkout@v4' },
    ...(setup ? [setupStep(setup, plan.toolchain?.range ?? null)] : []),
    ...(cached
      ? [
          {
            id: 'dependencies',
            uses: 'headway/dependencies@v1',
            with: {
              language: language.name,
              lockfile: within(lockFile),
              folders: language.dependencies.map(within).join('\n'),
              variant: 'development',
            },
          },
        ]
      : []),
    ...stepOf('Install', plan.install).map((step) =>
      cached ? { name: step.name, if: "steps.dependencies.outputs.cache-hit != 'true'", run: step.run } : step,
    ),
    ...stepOf('Lint', plan.lint),
    ...stepOf('Test', plan.test, plan.testEnv),
    ...stepOf('Build', plan.build),
  ]
  const folder = ['${{ github.workspace }}', ...(path === '.' ? [] : [path])].join('/')
  const env = Object.entries(plan.env).map(([name, value]) => [name, value.replaceAll('$PWD', folder)])
  return {
    'runs-on': 'ubuntu-latest',
    'timeout-minutes': 30,
    ...(path === '.' ? {} : { defaults: { run: { 'working-directory': path } } }),
    ...(env.length > 0 ? { env: Object.fromEntries(env) } : {}),
    steps,
  }
}

const setupStep = ({ uses, version, with: inputs }: Setup, range: string | null): Step => {
  const given = { ...(range ? { [version]: range } : {}), ...inputs }
  return { uses, ...(Object.keys(given).length > 0 ? { with: given } : {}) }
}

const stepOf = (name: string, lines: readonly string[], env: Readonly<Record<string, string>> = {}) =>
  lines.length === 0 ? [] : [{ name, ...(Object.keys(env).length > 0 ? { env } : {}), run: lines.join('\n') }]

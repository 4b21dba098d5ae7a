import { stringify } from 'yaml'
import type { PlannedService } from './discover.ts'
import type { LanguagePlan, ServiceDefinition } from './service.ts'
import { workflowFor } from './workflow.ts'

/** Everything that a service's `headway.yaml` stands for. */
export type Explanation = {
  readonly path: string
  readonly definition: ServiceDefinition
  readonly commands: Pick<LanguagePlan, 'install' | 'installForProduction' | 'lint' | 'test' | 'build' | 'start'>
  readonly toolchain: LanguagePlan['toolchain']
  /** The generated workflow; it does not count where the repository has workflows of its own. */
  readonly workflow: string
  /** What the running service is given: name to where its value comes from. */
  readonly environment: Readonly<Record<string, string>>
  readonly limits: { readonly memory: string; readonly cpu: string }
  readonly package: {
    readonly include: readonly string[] | null
    readonly exclude: readonly string[]
    readonly adds: readonly string[]
  }
}

/** `filesOf` names the files of a service's folder, as `workflowFor` needs them. */
export const explain = (service: PlannedService, filesOf: (path: string) => readonly string[]): Explanation => {
  const { path, definition, plan } = service
  const { install, installForProduction, lint, test, build, start } = plan
  const { memoryBytes, cpus } = definition.resources
  return {
    path,
    definition,
    commands: { install, installForProduction, lint, test, build, start },
    toolchain: plan.toolchain,
    workflow: workflowFor([service], filesOf),
    environment: environmentOf(definition, plan),
    limits: {
      memory: memoryBytes === null ? 'none' : `${Math.round(memoryBytes / 2 ** 20)} MiB for each instance`,
      cpu: cpus === null ? 'none' : `${cpus} cores for each instance`,
    },
    package: { include: plan.include, exclude: plan.exclude, adds: Object.keys(plan.extras) },
  }
}

const environmentOf = (definition: ServiceDefinition, plan: LanguagePlan): Record<string, string> => ({
  PORT: 'the port to listen on, another one for each instance',
  HOST: 'the address to listen on',
  ...(definition.database
    ? { DATABASE_URL: `the ${definition.database} database of this service, in each environment its own` }
    : {}),
  ...Object.fromEntries(Object.entries(plan.startEnv)),
  ...Object.fromEntries(Object.entries(definition.env).map(([name, value]) => [name, `${value} (from env)`])),
  ...Object.fromEntries(definition.secrets.map((name) => [name, `headway secret set ${name}`])),
})

/** The explanation as a person reads it in a terminal. */
export const explanationText = (explanation: Explanation): string => {
  const { definition, commands, toolchain, environment, limits } = explanation
  const sections: readonly (readonly [string, string])[] = [
    ['headway.yaml with every default', stringify(definition)],
    [
      'Commands',
      [
        ...(['install', 'lint', 'test', 'build'] as const).map(
          (name) => `${name}: ${commands[name].join(' && ') || 'nothing'}`,
        ),
        `install for the package: ${commands.installForProduction.join(' && ') || 'nothing'}`,
        `start: ${commands.start.join(' ')}`,
        `runs on: ${toolchain ? `${toolchain.program} ${toolchain.range ?? '(any version)'}` : 'nothing else'}`,
      ].join('\n'),
    ],
    [
      'Environment of the service',
      Object.entries(environment)
        .map(([name, from]) => `${name}: ${from}`)
        .join('\n'),
    ],
    ['Limits', `memory: ${limits.memory}\ncpu: ${limits.cpu}`],
    [
      'Package',
      [
        explanation.package.include
          ? `only ${explanation.package.include.join(', ')}`
          : `all but ${explanation.package.exclude.join(', ')}`,
        ...explanation.package.adds.map((name) => `adds ${name}`),
      ].join('\n'),
    ],
    ['Workflow (counts while there is none under .github/workflows)', explanation.workflow],
    [
      'Deployment',
      `${definition.replicas} replicas; a new version is started beside the old one, gets traffic once ${definition.health.path} answers below 500\n(within ${definition.health.readyTimeoutMs / 1000} s), and the old one is drained and stopped. A version that is not healthy never gets traffic.`,
    ],
  ]
  return sections.map(([title, body]) => `# ${title}\n${body.trimEnd()}\n`).join('\n')
}

#!/usr/bin/env node
import { fileURLToPath } from 'node:url'
import { Command } from 'commander'
import { describeError, describeProblem, Problem } from './problem.ts'
import { version } from './version.ts'

const launcher = fileURLToPath(new URL('../headway', import.meta.url))

const program = new Command('headway')
  .description('Push five lines, see it live: the DevOps loop as one self-hosted system.')
  .version(version)
  .option(
    '--home <directory>',
    "Headway's data (default: HEADWAY_HOME, else .headway here, else the one beside this program)",
  )
  .option('--server <url>', 'another Headway than the one here (or HEADWAY_SERVER; the token is in HEADWAY_TOKEN)')
  .option('--project <name>', 'the project', process.env.HEADWAY_PROJECT ?? 'default')
  .option('--json', 'answer with JSON')
  .showSuggestionAfterError()
  .configureHelp({ sortSubcommands: false, showGlobalOptions: true })
  .addHelpText(
    'after',
    '\nExit codes: 0 done, 1 refused or failed, 2 wrong words, 69 nothing answers there.\nDocumentation: the README and docs/ beside this program; the API is described at /api of the server.',
  )
  .exitOverride((error) => process.exit(error.exitCode === 0 ? 0 : 2))

let words = program.name()
program.hook('preAction', (_, action) => {
  words = pathOf(action)
})

/** Whoever reads what is said may have enough of it (`| head -1`): that ends a command, and not what goes on working without a reader. */
const lasting = new Set(['up', 'edge', 'runner'])
for (const stream of [process.stdout, process.stderr])
  stream.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') throw error
    if (!lasting.has(program.args[0] ?? '')) process.exit()
  })

try {
  for (const add of await nouns()) add(program)
  await program.parseAsync()
} catch (error) {
  const problem = error instanceof Problem ? hereAnswered(error) : null
  console.error(`headway: ${problem ? describeProblem(problem) : describeError(error)}`)
  if (!problem && process.env.HEADWAY_DEBUG) console.error(error)
  process.exitCode = problem?.kind === 'unreachable' || problem?.kind === 'not-running' ? 69 : 1
}

/** Who gave a command is helped by its help, not by the description of the call that it makes. */
function hereAnswered(problem: Problem): Problem {
  if (problem.kind !== 'invalid-request' || problem.next === undefined) return problem
  const { kind, status, detail } = problem
  const where = problem.where ? { where: problem.where } : {}
  return new Problem({ kind, status, detail, ...where, next: `${words} --help says what it takes` })
}

/** A command with those above it: `headway user add`. */
function pathOf(command: Command): string {
  return command.parent ? `${pathOf(command.parent)} ${command.name()}` : command.name()
}

/** Only what the first word asks for is loaded; the help and a mistyped word get everything. */
async function nouns(): Promise<((program: Command) => void)[]> {
  const everything: Readonly<
    Record<string, { words: readonly string[]; load(): Promise<(program: Command) => void> }>
  > = {
    server: {
      words: ['up', 'down'],
      load: async () => (await import('./cli/server.ts')).serverCommands,
    },
    edge: { words: ['edge'], load: async () => (await import('./cli/edge.ts')).edgeCommand },
    backups: { words: ['backup', 'restore'], load: async () => (await import('./cli/backups.ts')).backupCommands },
    repository: {
      words: ['init', 'explain', 'eject', 'credential'],
      load: async () => {
        const { repositoryCommands } = await import('./cli/repository.ts')
        return (to) => repositoryCommands(to, launcher)
      },
    },
    hosted: {
      words: ['repositories'],
      load: async () => (await import('./cli/repositories.ts')).hostedCommands,
    },
    changes: {
      words: ['changes'],
      load: async () => (await import('./cli/changes.ts')).changeCommands,
    },
    services: {
      words: ['status', 'ps', 'releases', 'deployments', 'rollback', 'deploy', 'remove'],
      load: async () => (await import('./cli/services.ts')).serviceCommands,
    },
    migrations: {
      words: ['migrations'],
      load: async () => (await import('./cli/migrations.ts')).migrationCommands,
    },
    rollout: { words: ['rollout', 'history'], load: async () => (await import('./cli/rollout.ts')).rolloutCommands },
    alerts: { words: ['alerts'], load: async () => (await import('./cli/alerts.ts')).alertCommands },
    insights: { words: ['insights'], load: async () => (await import('./cli/insights.ts')).insightCommands },
    toil: { words: ['toil'], load: async () => (await import('./cli/toil.ts')).toilCommands },
    survey: { words: ['survey'], load: async () => (await import('./cli/survey.ts')).surveyCommands },
    incidents: { words: ['incidents'], load: async () => (await import('./cli/incidents.ts')).incidentCommands },
    events: { words: ['events'], load: async () => (await import('./cli/events.ts')).eventCommands },
    imports: { words: ['import'], load: async () => (await import('./cli/imports.ts')).importCommands },
    logs: { words: ['logs'], load: async () => (await import('./cli/logs.ts')).logCommands },
    tests: { words: ['tests'], load: async () => (await import('./cli/tests.ts')).testCommands },
    run: { words: ['run'], load: async () => (await import('./cli/run.ts')).localRunCommands },
    runs: {
      words: ['runs', 'watch', 'rerun', 'cancel'],
      load: async () => (await import('./cli/runs.ts')).runCommands,
    },
    pipeline: {
      words: ['dispatch', 'revert'],
      load: async () => (await import('./cli/pipeline.ts')).pipelineCommands,
    },
    environments: {
      words: ['environments', 'promotions', 'promote', 'approve', 'freeze', 'unfreeze', 'diff'],
      load: async () => (await import('./cli/environments.ts')).environmentCommands,
    },
    previews: { words: ['previews'], load: async () => (await import('./cli/previews.ts')).previewCommands },
    runners: {
      words: ['runner', 'runners'],
      load: async () => (await import('./cli/runners.ts')).runnerCommands,
    },
    artifacts: {
      words: ['artifacts', 'caches'],
      load: async () => (await import('./cli/artifacts.ts')).artifactCommands,
    },
    actions: { words: ['actions'], load: async () => (await import('./cli/actions.ts')).actionCommands },
    settings: { words: ['secret', 'variable'], load: async () => (await import('./cli/settings.ts')).settingCommands },
    databases: { words: ['db'], load: async () => (await import('./cli/databases.ts')).databaseCommands },
    people: { words: ['user', 'token', 'web'], load: async () => (await import('./cli/people.ts')).peopleCommands },
    ledger: { words: ['ledger'], load: async () => (await import('./cli/ledger.ts')).ledgerCommands },
  }
  const said = process.argv.slice(2)
  const only = Object.values(everything).filter(({ words }) => words.some((word) => said.includes(word)))
  return Promise.all(
    (only.length > 0 && !said.includes('--help') ? only : Object.values(everything)).map(({ load }) => load()),
  )
}

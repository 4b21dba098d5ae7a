import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { basename, dirname, join, resolve } from 'node:path'
import { text as textOf } from 'node:stream/consumers'
import type { Command } from 'commander'
import { effectSync } from '../effect.ts'
import {
  detect,
  explain,
  explanationText,
  planFolder,
  serviceFileFor,
  workflowFor,
  workflowPath,
} from '../golden/index.ts'
import { Problem, problemLine } from '../problem.ts'
import { type GlobalOptions, homeNearby, ownCertificate, reach } from './client.ts'
import { dim, printJson } from './output.ts'

/** What is done in a service's repository: taking up the golden path, seeing what it stands for, leaving it. */
export const repositoryCommands = (program: Command, launcher: string): void => {
  program
    .command('init')
    .option('--name <service>', "the service's name (default: found out)")
    .description(
      'write headway.yaml by looking at this folder (not where it has workflows only), and add the Git remote "headway"',
    )
    .action((own: { name?: string }, command: Command) => {
      const options = command.optsWithGlobals<GlobalOptions>()
      const written = writeServiceFile(process.cwd(), own.name)
      const remote = addRemote(process.cwd(), options, launcher)
      if (options.json) return printJson({ file: written.file, text: written.text, created: written.created, remote })
      if (written.file === null) {
        console.log(
          'no service was found here, so there is no headway.yaml; the workflows in .github/workflows run as they are',
        )
        console.log(`\n${remote.message}`)
        console.log('\nnext: git push headway main')
        return
      }
      console.log(written.created ? `wrote ${written.file}:\n` : `${written.file} is there already:\n`)
      console.log(written.text.replace(/^/gm, '  ').trimEnd())
      console.log(`\n${remote.message}`)
      console.log(`\nnext: git add headway.yaml && git commit -m "Run on Headway" && git push headway main`)
    })

  program
    .command('explain')
    .description('everything that headway.yaml stands for')
    .action((_own, command: Command) => {
      const options = command.optsWithGlobals<GlobalOptions>()
      const { service, names } = plannedHere()
      const explanation = explain(service, () => names)
      if (options.json) return printJson(explanation)
      console.log(explanationText(explanation))
    })

  program
    .command('eject')
    .argument('<part>', 'workflow')
    .description('write a generated part into the repository, where it counts from then on')
    .action((part: string, _own, command: Command) => {
      const options = command.optsWithGlobals<GlobalOptions>()
      if (part !== 'workflow')
        throw new Problem({
          kind: 'unknown-part',
          status: 400,
          detail: `there is no part ${part} to eject`,
          next: 'headway eject workflow',
        })
      const { service, names } = plannedHere()
      if (existsSync(workflowPath))
        throw new Problem({
          kind: 'exists',
          status: 409,
          detail: `${workflowPath} is there already; it was not touched`,
          where: { file: workflowPath },
        })
      mkdirSync(dirname(workflowPath), { recursive: true })
      const text = workflowFor([service], () => names)
      effectSync('cli.eject-workflow', () => writeFileSync(workflowPath, text))
      if (options.json) return printJson({ file: workflowPath })
      console.log(`wrote ${workflowPath}; from the next push on it counts, and the generated one does not`)
    })

  program
    .command('credential', { hidden: true })
    .argument('<operation>')
    .description("answers Git's credential protocol with this machine's token")
    .action(async (operation: string, _own, command: Command) => {
      if (operation !== 'get') return
      const { url, token } = reach(command.optsWithGlobals<GlobalOptions>())
      const asked = Object.fromEntries(
        (await textOf(process.stdin))
          .split('\n')
          .filter(Boolean)
          .map((line) => line.split(/=(.*)/s).slice(0, 2)),
      )
      // Git asks for every host; the token is for this one only.
      const { host, protocol } = new URL(url)
      if (asked.host === host && `${asked.protocol}:` === protocol)
        process.stdout.write(`username=headway\npassword=${token}\n`)
    })
}

/** `file` is null where there are workflows, but nothing that looks like a service. */
const writeServiceFile = (
  folder: string,
  name: string | undefined,
): { file: string | null; text: string; created: boolean } => {
  const file = 'headway.yaml'
  if (existsSync(join(folder, file))) return { file, text: readFileSync(join(folder, file), 'utf8'), created: false }
  const found = detect(filesOf(folder), basename(resolve(folder)))
  if (!found && name === undefined && hasWorkflows(folder)) return { file: null, text: '', created: false }
  if (!found)
    throw new Problem({
      kind: 'language-unknown',
      status: 422,
      detail: `nothing in ${folder} looks like node, python, go or a static site`,
      next: 'go to the folder of the service, or write headway.yaml by hand: name, language, port',
    })
  const text = serviceFileFor(name === undefined ? found : { ...found, name })
  effectSync('cli.write-service-file', () => writeFileSync(join(folder, file), text, { flag: 'wx' }))
  return { file, text, created: true }
}

const hasWorkflows = (folder: string): boolean => {
  const workflows = join(folder, '.github/workflows')
  return existsSync(workflows) && readdirSync(workflows).some((file) => /\.ya?ml$/.test(file))
}

/** The remote holds no token: Git asks this very program for it, and only for this server. */
const addRemote = (
  folder: string,
  options: GlobalOptions,
  launcher: string,
): { url: string | null; message: string } => {
  const git = (...words: string[]): string =>
    execFileSync('git', words, { cwd: folder, encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] }).trim()
  let top: string
  try {
    top = git('rev-parse', '--show-toplevel')
  } catch {
    return { url: null, message: 'this is no Git repository yet: git init, then headway init again' }
  }
  let server: string
  try {
    server = reach(options).url
  } catch {
    return { url: null, message: 'no Headway runs here yet: headway up, then headway init again adds the Git remote' }
  }
  const repository =
    basename(top)
      .toLowerCase()
      .replace(/[^a-z0-9]+/g, '-')
      .replace(/^[^a-z]+|-+$/g, '') || 'repository'
  const url = `${server}/git/${options.project}/${repository}.git`
  const remotes = git('remote').split('\n')
  if (remotes.includes('headway')) git('remote', 'set-url', 'headway', url)
  else git('remote', 'add', 'headway', url)
  const elsewhere = options.server ?? process.env.HEADWAY_SERVER
  const where = elsewhere
    ? `HEADWAY_SERVER=${quoted(elsewhere)}`
    : `HEADWAY_HOME=${quoted(homeNearby(options.home).root)}`
  git('config', '--local', `credential.${server}.helper`, `!${where} ${quoted(launcher)} credential`)
  const certificate = server.startsWith('https:') && !elsewhere ? ownCertificate(options) : null
  if (certificate) git('config', '--local', `http.${server}.sslCAInfo`, certificate)
  return { url, message: `the Git remote ${dim('headway')} is ${url}` }
}

/** One word for the shell that Git runs its helpers with. */
const quoted = (text: string): string => `'${text.replaceAll("'", "'\\''")}'`

const plannedHere = () => {
  const folder = process.cwd()
  const files = filesOf(folder)
  const text = files.read('headway.yaml')
  if (text === null)
    throw new Problem({
      kind: 'no-service-file',
      status: 404,
      detail: `there is no headway.yaml in ${folder}`,
      next: 'headway init writes one',
    })
  const planned = planFolder('.', files)
  if ('problems' in planned) {
    const [first, ...others] = planned.problems
    throw others.length === 0
      ? new Problem(first)
      : new Problem({
          ...first,
          next: [first.next ?? 'mend it', 'then these:', ...others.map(problemLine)].join('\n    '),
        })
  }
  return { service: planned, names: files.names }
}

const filesOf = (folder: string) => ({
  names: readdirSync(folder),
  read: (name: string): string | null => {
    const file = join(folder, name)
    return existsSync(file) ? readFileSync(file, 'utf8') : null
  },
})

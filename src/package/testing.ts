import { execFileSync } from 'node:child_process'
import { chmodSync, existsSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { buildFacts, pushVerified } from '../build/facts.ts'
import { networkVariables } from '../build/index.ts'
import { type Clock, systemClock } from '../clock.ts'
import { deployFacts } from '../deploy/facts.ts'
import { type Home, homeAt, prepareHome } from '../home.ts'
import { fact, type NewFact, type RecordedFact } from '../ledger/fact.ts'
import type { Ledger } from '../ledger/ledger.ts'
import { openTestLedger, type TestLedger } from '../ledger/testing.ts'
import { CommitId, type Digest, ProjectName, RepositoryName } from '../names.ts'
import { run } from '../processes/run.ts'
import { packageFacts } from './facts.ts'
import { createPackage, type PackageNeeds, type PackageStage } from './index.ts'
import { packageView } from './views.ts'

/** Git without the settings of whoever runs the tests. */
const gitEnvironment = {
  PATH: process.env.PATH ?? '',
  HOME: '/nonexistent',
  GIT_CONFIG_NOSYSTEM: '1',
  GIT_CONFIG_GLOBAL: '/dev/null',
  GIT_AUTHOR_NAME: 'Ada',
  GIT_AUTHOR_EMAIL: 'ada@example.com',
  GIT_AUTHOR_DATE: '1700000000 +0000',
  GIT_COMMITTER_NAME: 'Ada',
  GIT_COMMITTER_EMAIL: 'ada@example.com',
  GIT_COMMITTER_DATE: '1700000000 +0000',
}

/** A file's text, or a link's target, or a program. */
export type TreeEntry = string | { readonly link: string } | { readonly program: string }

/** Commits these files on top of what is there, as everything that the commit holds, and returns the commit. */
export const commitTo = (bare: string, files: Readonly<Record<string, TreeEntry>>, branch = 'main'): CommitId => {
  const work = mkdtempSync(join(tmpdir(), 'headway-tree-'))
  const git = (...args: readonly string[]) =>
    execFileSync('git', ['--git-dir', bare, '--work-tree', work, ...args], {
      env: { ...gitEnvironment, GIT_INDEX_FILE: join(work, '.index') },
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'pipe'],
    }).trim()
  try {
    if (!existsSync(bare)) execFileSync('git', ['init', '-q', '--bare', '-b', 'main', bare], { env: gitEnvironment })
    for (const [path, entry] of Object.entries(files)) {
      const file = join(work, path)
      mkdirSync(dirname(file), { recursive: true })
      if (typeof entry === 'string') writeFileSync(file, entry)
      else if ('link' in entry) symlinkSync(entry.link, file)
      else writeFileSync(file, entry.program, { mode: 0o755 })
    }
    git('add', '--force', '--', ...Object.keys(files))
    const commit = git('commit-tree', '-m', 'a change', git('write-tree'))
    git('update-ref', `refs/heads/${branch}`, commit)
    return CommitId.parse(commit)
  } finally {
    rmSync(work, { recursive: true, force: true })
  }
}

export type PackageBench = AsyncDisposable & {
  readonly stage: PackageStage
  readonly home: Home
  readonly testLedger: TestLedger
  readonly ledger: Ledger
  /** Commits the files to the repository and says that the commit was verified. */
  push(
    files: Readonly<Record<string, TreeEntry>>,
    options?: { project?: string; repository?: string; branch?: string },
  ): Promise<Pushed>
  /** Resolves to the facts about a push once it is packaged. */
  concluded(push: string): Promise<readonly RecordedFact[]>
  /** The facts about releases so far, oldest first. */
  facts(): Promise<RecordedFact[]>
}
export type Pushed = { readonly push: string; readonly commit: CommitId; readonly facts: readonly RecordedFact[] }

/** A packaging stage on a real ledger, real Git and a home of its own. `tools` are shell scripts by name that jobs find first. */
export const openPackageBench = async (
  options: {
    tools?: Readonly<Record<string, string>>
    clock?: Clock
    needs?: Partial<PackageNeeds>
    directory?: string
    wrapLedger?: (ledger: Ledger) => Ledger
    /** What an earlier process had recorded. */
    earlier?: readonly NewFact[]
  } = {},
): Promise<PackageBench> => {
  const directory = options.directory ?? mkdtempSync(join(tmpdir(), 'headway-package-'))
  chmodSync(directory, 0o711)
  const home = homeAt(join(directory, 'home'), {})
  prepareHome(home)
  const tools = join(directory, 'tools')
  mkdirSync(tools, { recursive: true, mode: 0o755 })
  for (const [name, script] of Object.entries(options.tools ?? {}))
    writeFileSync(join(tools, name), script, { mode: 0o755 })
  const definitions = [...packageFacts, ...buildFacts, ...deployFacts]
  const testLedger = await openTestLedger({ definitions, views: [packageView] })
  if (options.earlier?.length) await testLedger.ledger.append(options.earlier)
  const ledger = options.wrapLedger?.(testLedger.ledger) ?? testLedger.ledger
  const repositoryPath = (project: string, repository: string) => join(home.repositories, project, `${repository}.git`)
  const reports: unknown[] = []
  const stage = createPackage({
    ...{ ledger, store: testLedger.store, views: testLedger.views },
    ...{ clock: options.clock ?? systemClock, home, run, repositoryPath },
    findTool: async (program) => ({
      kind: 'found',
      directory: tools,
      version: program === 'python3' ? '3.11.2' : '24.0.0',
    }),
    installations: { restore: async () => false },
    userFor: () => (process.getuid?.() === 0 ? { uid: 61_999, gid: 61_999 } : null),
    inUse: async () => [],
    network: networkVariables(),
    report: (error) => void reports.push(error),
    ...options.needs,
  })
  let pushes = 0
  const factsOf = () => testLedger.ledger.read({ types: packageFacts.map(({ type }) => type) })
  const concluded = (push: string): Promise<readonly RecordedFact[]> =>
    new Promise((resolve, reject) => {
      const stop = testLedger.ledger.onAppend(() => void look())
      const look = async () => {
        const facts = (await factsOf()).filter(({ payload }) => JSON.stringify(payload).includes(`"${push}"`))
        if (!facts.some(({ type }) => type === 'push.packaged')) return
        stop()
        resolve(facts)
      }
      look().catch(reject)
    })
  await stage.start()
  return {
    stage,
    home,
    testLedger,
    ledger,
    concluded,
    facts: factsOf,
    push: async (files, { project = 'default', repository = 'shop', branch = 'main' } = {}) => {
      const bare = repositoryPath(project, repository)
      mkdirSync(dirname(bare), { recursive: true })
      const commit = commitTo(bare, files, branch)
      pushes += 1
      const push = `push-${pushes}`
      const done = concluded(push)
      await ledger.append([verified(push, repository, commit, branch, project)])
      return { push, commit, facts: await done }
    },
    [Symbol.asyncDispose]: async () => {
      await stage.stop()
      await testLedger[Symbol.asyncDispose]()
      if (!options.directory) rmSync(directory, { recursive: true, force: true })
      if (reports.length > 0) throw new AggregateError(reports, 'the stage reported errors')
    },
  }
}

export const verified = (push: string, repository: string, commit: CommitId, branch = 'main', project = 'default') =>
  fact(pushVerified, {
    subject: `push:${push}`,
    actor: 'system:build',
    payload: {
      ...{ push, project: ProjectName.parse(project), repository: RepositoryName.parse(repository) },
      ...{ ref: `refs/heads/${branch}`, commit, conclusion: 'success', runs: ['run-1'], failure: null },
    },
  })

/** An npm that installs one package, a little differently each time, and whose build copies a file. */
export const fakeNpm = `#!/bin/sh
set -e
if [ "$1" = ci ]; then
  mkdir -p node_modules/left-pad node_modules/.bin node_modules/.cache
  echo "module.exports = 1" > node_modules/left-pad/index.js
  date +%N > node_modules/.cache/time
  chmod 600 node_modules/left-pad/index.js
  ln -s ../left-pad/index.js node_modules/.bin/left-pad
  echo "installed in $PWD" >&2
fi
if [ "$1 $2" = "run build" ]; then
  mkdir -p dist && cat src/server.js > dist/built.js && ls node_modules > dist/modules
  setsid sleep 600 < /dev/null > /dev/null 2>&1 &
fi
`

/** The digest of the one release among facts. */
export const releasedIn = (facts: readonly RecordedFact[]): Digest => {
  for (const { type, payload } of facts)
    if (type === 'release.created') {
      const { digest } = packageFacts[0].payload.parse(payload)
      return digest
    }
  throw new Error(`nothing was released: ${JSON.stringify(facts.map(({ payload }) => payload))}`)
}

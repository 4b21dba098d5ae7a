import assert from 'node:assert/strict'
import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { X509Certificate } from 'node:crypto'
import { once } from 'node:events'
import { createWriteStream, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { basename, join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { pathToFileURL } from 'node:url'
import { z } from 'zod'
import { accessFacts } from './access/facts.ts'
import { accessView, createAccess, passwordMigrations, sessionView } from './access/index.ts'
import { createPasswords } from './access/sessions/passwords.ts'
import { accessMigrations } from './access/settings-table.ts'
import { startAlone, stopAlone } from './alone/command.ts'
import { certificateFor } from './api/tls.ts'
import { backup, restore } from './backup.ts'
import { createMirrors } from './build/actions/mirrors.ts'
import { createDependencyCache, sweepDependencyCache } from './build/dependencies.ts'
import { endFamily, membersOf } from './build/jobs/processes.ts'
import { createLogBook } from './build/logs.ts'
import { createRemoteLibrary } from './build/runners/remote/library.ts'
import { createRecords } from './build/runners/remote/records.ts'
import { openSandbox } from './build/sandbox/choose.ts'
import { keepJobShell } from './build/sandbox/job-shell.ts'
import { openOutputPipe } from './build/sandbox/output-pipe.ts'
import { startersOf } from './build/sandbox/starters.ts'
import { createToolchain } from './build/toolchain.ts'
import { jobUsers } from './build/users.ts'
import { systemClock as clock, systemIds } from './clock.ts'
import { createRepositories } from './code/repositories.ts'
import { openAccessLog, usualLogLimits } from './edge/access-log.ts'
import { forgetLastWords, lastWordsIn, leaveLastWords } from './edge/last-words.ts'
import { loadSettings, noSettings } from './edge/settings.ts'
import { ticketKeys } from './edge/tls/tickets.ts'
import { type Home, homeAt, prepareHome } from './home.ts'
import { defineFact, fact } from './ledger/fact.ts'
import { ledgerMigrations } from './ledger/migrations.ts'
import { openLedger } from './ledger/open.ts'
import { openViews } from './ledger/views.ts'
import { openLog } from './log.ts'
import { ProjectName, RepositoryName, ServiceName } from './names.ts'
import { findBinaries } from './operate/binaries.ts'
import { createLayout } from './package/layout.ts'
import { createShelf } from './package/shelf.ts'
import { isOwner, ownOwner, sweepCgroups } from './processes/cgroup-owners.ts'
import { openCgroups } from './processes/cgroups.ts'
import { run } from './processes/run.ts'
import { identityOf } from './processes/tree.ts'
import { connectProcessRuntime } from './runtimes/process/index.ts'
import { openStore } from './store/open.ts'
import { dumpPostgres } from './store/postgres-backup.ts'
import { copyDatabase } from './store/sqlite-backup.ts'
import { startPostgres } from './store/testing.ts'

// `node src/scenes.testing.ts NAME DIRECTORY` plays one scene that an ordinary life does not hold, and prints what is so at its
// end. `marks.test.ts` kills it at its failpoints and plays it again in the same directory.

const homeIn = (directory: string): Home => {
  const home = homeAt(join(directory, 'home'), {})
  prepareHome(home)
  return home
}

/** What stands before the curtain rises; made once, however often the scene is played. */
const given = async (directory: string, make: () => unknown): Promise<void> => {
  const done = join(directory, 'given')
  if (existsSync(done)) return
  await make()
  writeFileSync(done, '')
}

const namesIn = (directory: string): string[] => (existsSync(directory) ? readdirSync(directory).sort() : [])

const said = defineFact('word.said', 1, z.object({ word: z.string() }))

/** Runs the command line; killed there, this process ends in the same way. */
const headway = async (cwd: string, words: readonly string[], env: NodeJS.ProcessEnv = {}): Promise<number> => {
  const child: ChildProcess = spawn(process.execPath, [join(import.meta.dirname, 'main.ts'), ...words], {
    cwd,
    env: { ...process.env, ...env },
    stdio: 'ignore',
  })
  const [code, signal] = await once(child, 'exit')
  if (signal === 'SIGKILL') process.kill(process.pid, 'SIGKILL')
  return Number(code)
}

const scenes: Readonly<Record<string, (directory: string) => Promise<unknown>>> = {
  'the master key changes': async (directory) => {
    const home = homeIn(directory)
    const migrations = [...ledgerMigrations, ...accessMigrations, ...passwordMigrations]
    const store = await openStore(home.database, { migrations, program: 'test', clock })
    const ledger = await openLedger({ store, definitions: accessFacts, clock })
    const views = await openViews({ store, ledger, views: [accessView, sessionView] })
    const access = createAccess({ ledger, views, store, home, clock, ids: systemIds(clock) })
    const shop = ProjectName.parse('shop')
    await given(directory, async () => {
      const scope = { project: shop, service: null, environment: null }
      for (const name of ['FIRST', 'SECOND'])
        await access.settings.set({ name, kind: 'secret', value: `of ${name}`, scope }, 'user:ada')
    })
    await access.rotateMasterKey()
    const owner = { project: shop, service: ServiceName.parse('web'), environment: null }
    return access.settings.resolve(owner, ['FIRST', 'SECOND'])
  },

  'a password is chosen twice': async (directory) => {
    const home = homeIn(directory)
    const store = await openStore(home.database, { migrations: passwordMigrations, program: 'test', clock })
    const passwords = createPasswords({ store, clock })
    for (const password of ['the first of two', 'the second of two']) await passwords.set('ada', password)
    return [await passwords.isRight('ada', 'the first of two'), await passwords.isRight('ada', 'the second of two')]
  },

  'a certificate of our own': async (directory) => {
    const home = homeIn(directory)
    const { cert } = (await certificateFor({ kind: 'self-signed' }, home, ['localhost'], clock)) ?? {}
    return cert && new X509Certificate(cert).checkHost('localhost')
  },

  'a backup is put back where one was interrupted': async (directory) => {
    const home = homeIn(directory)
    const file = join(directory, 'all.tar.gz')
    const place = join(directory, 'restored')
    await given(directory, async () => {
      const store = await openStore(home.database, { migrations: ledgerMigrations, program: 'test', clock })
      const ledger = await openLedger({ store, definitions: [said], clock })
      await ledger.append([fact(said, { subject: 'word:x', actor: 'user:ada', payload: { word: 'kept' } })])
      const whole = backup({ home, store, clock, program: 'test', databases: async () => null })
      await pipeline(whole, createWriteStream(file))
      mkdirSync(place)
      mkdirSync(join(directory, '.restored.restoring-4000000')) // of a process that is gone
    })
    if (namesIn(place).length === 0) await restore(file, homeAt(place, {}))
    return namesIn(directory)
      .filter((name) => name.includes('restor'))
      .concat(namesIn(place))
  },

  'kept dependencies are too many, and some half made': async (directory) => {
    const root = join(directory, 'cache')
    const cache = createDependencyCache(root, 1)
    const source = join(directory, 'source')
    await given(directory, () => {
      for (const path of [root, join(source, 'node_modules')]) mkdirSync(path, { recursive: true })
      mkdirSync(join(root, 'abc.saving-1'))
      writeFileSync(join(source, 'node_modules', 'file'), 'x'.repeat(10_000))
    })
    await sweepDependencyCache(root)
    const key = { project: 'default', language: 'node', runtime: '24', purpose: 'all' }
    for (const lock of ['one', 'two', `of process ${process.pid}`]) {
      mkdirSync(join(source, 'node_modules'), { recursive: true })
      await cache.save({ ...key, lock }, source, ['node_modules'], null)
    }
    return namesIn(root).map((name) => (name.includes('.') ? name : 'an entry'))
  },

  'mirrors of actions go, and what was half made of others': async (directory) => {
    const root = join(directory, 'mirrors')
    const mirrors = createMirrors(root)
    const name = { owner: 'acme', repository: 'tool' }
    await given(directory, async () => {
      const bare = join(directory, 'tool.git')
      const identity = ['-c', 'user.name=a', '-c', 'user.email=a@b']
      execFileSync('git', ['init', '-q', bare])
      execFileSync('git', ['-C', bare, ...identity, 'commit', '-q', '--allow-empty', '-m', 'First'])
      await mirrors.bring(name, bare)
      for (const half of ['.making-1', '.removed-2']) mkdirSync(join(root, half))
    })
    await mirrors.remove(name)
    await mirrors.sweep()
    return [mirrors.pathOf(name), await mirrors.list(), namesIn(root)]
  },

  'a runner finds what it had only begun to keep': async (directory) => {
    const [jobs, actions] = [join(directory, 'jobs'), join(directory, 'actions')]
    const records = createRecords(jobs)
    const kept = { fence: 1, run: 'run-1', key: 'a', marker: 'a-1/', directory: join(directory, 'work') }
    await given(directory, async () => {
      await records.begin(kept)
      for (const half of [join(jobs, '2'), actions]) mkdirSync(half)
      for (const half of ['one', 'two']) writeFileSync(join(actions, `${half}.tar.1.half`), '')
      writeFileSync(join(actions, 'whole.tar'), '')
    })
    const nobody = async () => ({ kind: 'missing' as const, detail: '' })
    await createRemoteLibrary(actions, nobody, clock).sweep()
    return [(await records.list()).map((one) => one.kept.fence), namesIn(jobs), namesIn(actions)]
  },

  'bubblewrap that cannot make namespaces': async (directory) => {
    const home = homeIn(directory)
    const folder = join(directory, 'bin')
    await given(directory, () => {
      mkdirSync(folder)
      writeFileSync(join(folder, 'bwrap'), '#!/bin/sh\necho no namespaces for you >&2\nexit 1\n', { mode: 0o755 })
    })
    process.env.PATH = `${folder}:${process.env.PATH}`
    const about = { home, clock, user: jobUsers(home)(0), wanted: null, readable: [], environment: {} }
    const sandbox = await openSandbox({ ...about, serverUrl: () => '', report: () => undefined })
    sandbox.close()
    return [sandbox.isolation, sandbox.note]
  },

  'a shell of a job that no control group takes': async (directory) => {
    const pipes = join(directory, 'pipes')
    await given(directory, () => mkdirSync(pipes))
    const placed = () => Promise.reject(new Error('no room'))
    return keepJobShell({ user: null, marker: `${directory}/`, limits: '', pipes, clock, placed }).catch(String)
  },

  'a job stops what starts its programs': async (directory) => {
    const pipes = join(directory, 'pipes')
    rmSync(pipes, { recursive: true, force: true })
    mkdirSync(pipes)
    const family = { marker: `${directory}/`, directory: null, sessions: new Set<number>(), user: null }
    await endFamily(family, clock) // as the next start does with what was stopped
    const own: number[] = []
    const placed = async (pid: number) => void own.push(pid)
    const kept = await keepJobShell({ user: null, marker: `${directory}/`, limits: '', pipes, clock, placed })
    for (const starter of startersOf(own[0] ?? null)) process.kill(starter, 'SIGSTOP')
    await kept.end()
    await endFamily(family, clock)
    return [kept.shell.isSound(), membersOf(family)]
  },

  'a program prints much': async (directory) => {
    const fifo = join(directory, `out-${process.pid}`) // into another one the program of a killed play may still print
    execFileSync('mkfifo', [fifo])
    const pipe = openOutputPipe(fifo)
    assert.ok(pipe)
    let bytes = 0
    pipe.lookAt((chunk) => {
      bytes += chunk.length
      return true
    })
    spawn('sh', ['-c', 'head -c 3000000 /dev/zero >"$1"', 'sh', fifo], { stdio: 'ignore' })
    await once(pipe, 'close')
    return bytes
  },

  'two artifacts are downloaded': async (directory) => {
    const place = join(directory, 'downloads')
    const about = { job: 'a', sizeBytes: 5, mime: 'application/zip', digest: 'sha256:0' }
    const artifacts = ['one', 'two'].map((name, artifact) => ({ artifact, name, ...about }))
    const server = createServer((request, response) =>
      response.end(request.url?.endsWith('/content') ? 'whole' : JSON.stringify({ artifacts })),
    )
    await once(server.listen(0, '127.0.0.1'), 'listening')
    const address = server.address()
    const url = `http://127.0.0.1:${typeof address === 'object' ? address?.port : ''}`
    for (const { name } of artifacts.filter((one) => !existsSync(join(place, `${one.name}.zip`)))) {
      const words = ['--server', url, 'artifacts', 'download', 'run-1', name, '--to', place]
      await headway(directory, words, { HEADWAY_TOKEN: 'hw_x' })
    }
    return namesIn(place).map((name) => [name, readFileSync(join(place, name), 'utf8')])
  },

  'a history is fetched from elsewhere': async (directory) => {
    const repository = join(directory, 'elsewhere')
    await given(directory, () => {
      const git = (...words: string[]) => execFileSync('git', ['-C', repository, ...words], { stdio: 'ignore' })
      execFileSync('git', ['init', '-q', repository])
      git('-c', 'user.name=a', '-c', 'user.email=a@b', 'commit', '-q', '--allow-empty', '-m', 'First')
      git('tag', 'v1')
    })
    const told: string[] = []
    const server = createServer(async (request, response) => {
      for await (const chunk of request)
        told.push(...[...String(chunk).matchAll(/"type":"(\w+)"/g)].map(([, type]) => type ?? ''))
      response.setHeader('content-type', 'application/json')
      response.end(JSON.stringify({ outcome: 'taken', facts: 1, unplaced: [] }))
    })
    await once(server.listen(0, '127.0.0.1'), 'listening')
    const address = server.address()
    const url = `http://127.0.0.1:${typeof address === 'object' ? address?.port : ''}`
    const words = ['--server', url, 'import', 'git', pathToFileURL(repository).href, '--service', 'shop']
    const code = await headway(directory, words, { HEADWAY_TOKEN: 'hw_x' })
    return [code, told.toSorted(), namesIn(directory).filter((name) => name.startsWith('headway-import-'))]
  },

  'old logs go': async (directory) => {
    const root = join(directory, 'runs')
    await given(directory, () => {
      for (const name of ['kept', 'old-1', 'old-2']) mkdirSync(join(root, name, 'logs'), { recursive: true })
    })
    await createLogBook(root).keepOnly(new Set(['kept']))
    return namesIn(root)
  },

  'files written for a person': async (directory) => {
    const folder = join(directory, 'service')
    await given(directory, () => {
      mkdirSync(join(folder, 'src'), { recursive: true })
      writeFileSync(join(folder, 'package.json'), '{"name":"shop","scripts":{"start":"node src/server.js"}}')
      writeFileSync(join(folder, 'package-lock.json'), '{"name":"shop","lockfileVersion":3,"packages":{}}')
      execFileSync('git', ['init', '-q', folder])
    })
    await headway(folder, ['init'])
    await headway(folder, ['eject', 'workflow'])
    return [readFileSync(join(folder, 'headway.yaml'), 'utf8'), namesIn(join(folder, '.github/workflows'))]
  },

  "psql at a person's terminal": async (directory) => {
    const bin = join(directory, 'bin')
    await given(directory, () => {
      mkdirSync(bin)
      const psql = `#!/bin/sh\necho "$PGUSER $PGDATABASE $PGPASSWORD $*" > told.$$ && mv told.$$ told\nexit 3\n`
      writeFileSync(join(bin, 'psql'), psql, { mode: 0o755 })
    })
    const server = createServer((_request, response) => {
      response.setHeader('content-type', 'application/json')
      response.end(JSON.stringify({ url: 'postgres://shop:pass%20word@127.0.0.1:5432/shop_db' }))
    })
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    const address = server.address()
    const HEADWAY_SERVER = `http://127.0.0.1:${typeof address === 'object' && address ? address.port : 0}`
    const env = { HEADWAY_SERVER, HEADWAY_TOKEN: 'a-token', PATH: `${bin}:${process.env.PATH}` }
    const code = await headway(directory, ['db', 'psql', 'shop'], env)
    return [code, readFileSync(join(directory, 'told'), 'utf8')]
  },

  'a repository whose first branch is master': async (directory) => {
    const repositories = createRepositories(join(directory, 'repositories'))
    const key = { project: ProjectName.parse('default'), repository: RepositoryName.parse('shop') }
    const bare = repositories.pathOf(key)
    await given(directory, () => {
      const work = join(directory, 'work')
      const git = (...words: string[]) => execFileSync('git', words, { stdio: 'ignore' })
      git('init', '-q', '-b', 'master', work)
      git('-C', work, '-c', 'user.name=a', '-c', 'user.email=a@b', 'commit', '--allow-empty', '-m', 'First')
      git('init', '-q', '--bare', '-b', 'main', bare)
      git('-C', work, 'push', '-q', bare, 'master')
    })
    await repositories.settleHead(key)
    await repositories.maintain(key, new AbortController().signal)
    return [readFileSync(join(bare, 'HEAD'), 'utf8'), execFileSync('git', ['-C', bare, 'fsck']).toString()]
  },

  'Node.js is copied to where jobs can run it': async (directory) => {
    const tools = join(directory, 'tools')
    await given(directory, () =>
      mkdirSync(join(tools, `node-${process.versions.node}.making`, 'lib'), { recursive: true }),
    )
    const node = await createToolchain(tools).ownNode({ uid: 1, gid: 1 })
    return [execFileSync(node, ['--version']).toString(), namesIn(tools), namesIn(join(tools, namesIn(tools)[0] ?? ''))]
  },

  'PostgreSQL is copied to where it can run unprivileged': async (directory) => {
    const home = homeIn(directory)
    await given(directory, () => mkdirSync(join(home.work, '.postgres-4000000-half'))) // of a process that is gone
    const { directory: bin, major } = await findBinaries(home, { systemRoot: '/nonexistent' })
    const said = execFileSync(join(bin, 'postgres'), ['--version']).toString()
    return [said.includes(` ${major}.`), namesIn(home.work).filter((name) => name.includes('postgres'))]
  },

  'a living edge is replaced': async (directory) => {
    const home = homeIn(directory)
    const runtime = await connectProcessRuntime({ home, clock, edgeHost: '127.0.0.1', edgePort: 0 })
    const before = (await runtime.health()).edge
    const pid = await runtime.replaceEdge()
    const after = (await runtime.health()).edge
    const answer = await fetch(`http://127.0.0.1:${after.port}/`)
    await answer.text()
    await runtime.shutdown('stop')
    return [pid !== before.pid, after.pid === pid, after.port === before.port, answer.status, namesIn(home.sockets)]
  },

  'a running edge is told other settings': async (directory) => {
    const home = homeIn(directory)
    const told = { ...noSettings, connectionsPerAddress: 7 }
    const at = { home, clock, edgeHost: '127.0.0.1', edgePort: 0 }
    await given(directory, () => connectProcessRuntime(at))
    const runtime = await connectProcessRuntime({ ...at, edgeSettings: told })
    const { edge } = await runtime.health()
    const answer = await fetch(`http://127.0.0.1:${edge.port}/`)
    await answer.text()
    await runtime.shutdown('stop')
    return [loadSettings(home.agent, assert.fail), answer.status, namesIn(home.sockets)]
  },

  'an edge ends, and what it had counted is forgotten in time': async (directory) => {
    const epoch = '0af76519-16cd-43dd-8448-eb211c80319c'
    await given(directory, () => {
      leaveLastWords(directory, { counters: { epoch, minutes: [] }, samples: { epoch, at: 1, services: [] } })
    })
    for (const { file } of lastWordsIn(directory)) forgetLastWords(file)
    return namesIn(directory).filter((name) => name.startsWith('edge-'))
  },

  'an edge keeps the secret of its tickets, and goes on where it cannot': async (directory) => {
    const keys = ticketKeys(homeIn(directory).agent, clock.now())
    const again = ticketKeys(homeIn(directory).agent, clock.now())
    const nowhere = ticketKeys(join(directory, 'missing'), clock.now())
    const kept = namesIn(homeIn(directory).agent).filter((name) => name.startsWith('edge-ticket'))
    return [keys.equals(again), kept, nowhere.length]
  },

  'an edge by itself is started, taken over and stopped': async (directory) => {
    const home = homeAt(join(directory, 'alone'), {})
    const file = join(directory, 'routes.yaml')
    await given(directory, () => writeFileSync(file, 'routes: [{ hosts: [shop.localhost], to: 1 }]\n'))
    const where = { host: '127.0.0.1', port: 0, metricsPort: null, workers: '1', settings: noSettings }
    const start = () => startAlone({ ...where, home, clock, file, say: () => {} })
    const first = await start()
    const second = await start()
    const answer = await fetch(`http://127.0.0.1:${second.port}/`)
    await answer.text()
    await stopAlone(home, clock)
    return [
      second.tookOver,
      second.port === first.port,
      answer.status,
      namesIn(home.sockets).filter((name) => name.startsWith('edge-')),
    ]
  },

  'an access log grows too long': async (directory) => {
    const file = join(directory, 'access.log')
    const log = openAccessLog(file, () => {}, { ...usualLogLimits, fileBytes: 10, keptFiles: 2, flushMs: 1 })
    const about = { requestId: '1', client: '::1', host: 'a', method: 'GET', status: 200, bytes: 0, durationMs: 1 }
    const nobody = { service: null, version: null, instance: null, failed: false, said: null }
    const line = { ...about, ...nobody, time: '', path: '/' }
    while (![file, `${file}.2`].every(existsSync)) {
      log.write(line)
      await clock.sleep(2)
    }
    log.close()
    while (!existsSync(file)) await clock.sleep(2) // the last rotation goes on
    return namesIn(directory).filter((name) => /^access\.log(\.[2-9])?$/.test(name)) // .1 may be on its way
  },

  'the server log is too long': async (directory) => {
    const home = homeIn(directory)
    await given(directory, () => writeFileSync(join(home.root, 'server.log'), 'x'.repeat(11 * 1024 * 1024)))
    const log = openLog(home)
    log.info('here')
    log.close()
    return namesIn(home.root).filter((name) => name.startsWith('server.log'))
  },

  'a payload is erased': async (directory) => {
    const home = homeIn(directory)
    const store = await openStore(home.database, { migrations: ledgerMigrations, program: 'test', clock })
    const ledger = await openLedger({ store, definitions: [said], clock })
    await given(directory, () =>
      ledger.append([fact(said, { subject: 'word:x', actor: 'user:ada', payload: { word: 'a-person-by-name' } })]),
    )
    await ledger.erase(1, 'asked for', 'user:ada')
    await store.close()
    const files = namesIn(home.root).filter((name) => name.startsWith(basename(home.database)))
    return files.filter((name) => readFileSync(join(home.root, name), 'latin1').includes('a-person-by-name'))
  },

  'images half unpacked': async (directory) => {
    const root = join(directory, 'images')
    await given(directory, () => mkdirSync(join(root, 'layers', '.1-1.tmp'), { recursive: true }))
    await createShelf(root, createLayout(join(directory, 'layout')), run).open()
    return namesIn(join(root, 'layers'))
  },

  'a copy of what is no database': async (directory) => {
    const file = join(directory, 'rubbish.db')
    writeFileSync(file, 'rubbish '.repeat(1000))
    const failed = await copyDatabase(file, join(directory, 'copy.db')).then(
      () => false,
      () => true,
    )
    return [failed, namesIn(directory).filter((name) => name.startsWith('copy'))]
  },

  'a store in PostgreSQL is dumped': async (directory) => {
    const postgres = await startPostgres()
    try {
      const url = await postgres.createDatabase()
      await dumpPostgres(url, join(directory, 'whole.dump'))
      const failed = await dumpPostgres(url.replace('/test1', '/nowhere'), join(directory, 'nothing.dump')).then(
        () => false,
        () => true,
      )
      return [failed, namesIn(directory).filter((name) => name.includes('.dump'))]
    } finally {
      await postgres.stop()
    }
  },

  'control groups of a home that is gone': async (directory) => {
    const [left, used] = [join(directory, 'cgroup', 'headway-gone'), join(directory, 'cgroup', 'headway-used')]
    const gone = ownOwner().replace(/^\.owner-\d+/, '.owner-4194304')
    for (const group of [join(left, 'job.1'), join(left, gone), join(used, 'job.1'), join(used, ownOwner())])
      mkdirSync(group, { recursive: true })
    await sweepCgroups([join(directory, 'cgroup')])
    return [namesIn(join(directory, 'cgroup')), namesIn(used).includes('job.1')]
  },

  'control groups of version 2, and one with somebody in it': async (directory) => {
    const root = join(directory, 'cgroup')
    const group = join(root, 'service')
    mkdirSync(group, { recursive: true })
    const files = { controllers: 'memory cpu pids', events: '', procs: '7', subtree_control: '' }
    for (const [file, text] of Object.entries(files)) writeFileSync(join(group, `cgroup.${file}`), text)
    writeFileSync(join(root, 'cgroup.controllers'), 'memory cpu pids') // the rest of the top is not ours
    openCgroups('ours', clock, () => {}, root, '/service')
    const name = `headway-scene-${process.ppid}-${basename(directory)}`
    const real = openCgroups(name, clock, () => {})
    if (!real.enforced) return 'no control groups here'
    const left = spawn('sleep', ['600'], { detached: true, stdio: 'ignore' })
    const pid = left.pid ?? 0
    try {
      real.prepare('left.1', { memoryBytes: null, cpus: null, processes: null })
      real.place('left.1', pid)
      await real.remove('left.1')
      return [
        namesIn(join(group, 'ours')).filter((one) => !isOwner(one)),
        namesIn(join(group, 'headway-here')),
        real.ids(),
        identityOf(pid),
      ]
    } finally {
      left.kill('SIGKILL')
      real.close()
    }
  },
}

const [, , name = '', directory = ''] = process.argv
const scene = scenes[name]
if (!scene) throw new Error(`there is no scene ${name}`)
console.log(JSON.stringify(await scene(directory)))
process.exit(0)

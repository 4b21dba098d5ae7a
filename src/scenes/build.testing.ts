import assert from 'node:assert/strict'
import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { createMirrors } from '../build/actions/mirrors.ts'
import { createDependencyCache, sweepDependencyCache } from '../build/dependencies.ts'
import { endFamily, membersOf } from '../build/jobs/processes.ts'
import { createLogBook } from '../build/logs.ts'
import { createRemoteLibrary } from '../build/runners/remote/library.ts'
import { createRecords } from '../build/runners/remote/records.ts'
import { openSandbox } from '../build/sandbox/choose.ts'
import { keepJobShell } from '../build/sandbox/job-shell.ts'
import { openOutputPipe } from '../build/sandbox/output-pipe.ts'
import { startersOf } from '../build/sandbox/starters.ts'
import { createToolchain } from '../build/toolchain.ts'
import { jobUsers } from '../build/users.ts'
import { systemClock as clock } from '../clock.ts'
import { given, homeIn, namesIn, playScene } from './scene.testing.ts'

await playScene({
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

  'old logs go': async (directory) => {
    const root = join(directory, 'runs')
    await given(directory, () => {
      for (const name of ['kept', 'old-1', 'old-2']) mkdirSync(join(root, name, 'logs'), { recursive: true })
    })
    await createLogBook(root).keepOnly(new Set(['kept']))
    return namesIn(root)
  },

  'Node.js is copied to where jobs can run it': async (directory) => {
    const tools = join(directory, 'tools')
    await given(directory, () =>
      mkdirSync(join(tools, `node-${process.versions.node}.making`, 'lib'), { recursive: true }),
    )
    const node = await createToolchain(tools).ownNode({ uid: 1, gid: 1 })
    return [execFileSync(node, ['--version']).toString(), namesIn(tools), namesIn(join(tools, namesIn(tools)[0] ?? ''))]
  },
})

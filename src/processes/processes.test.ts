import assert from 'node:assert/strict'
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync, writeFile } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { isRoot } from '../home.ts'
import { Problem } from '../problem.ts'
import { removeTree } from './files.ts'
import { cutMark, lineCutter } from './lines.ts'
import { run, runOk, runThrough, stream } from './run.ts'
import {
  allPids,
  endAllAtHomeIn,
  environmentOf,
  groupMembers,
  identityOf,
  isAlive,
  listeningPorts,
  sendSignal,
} from './tree.ts'
import { chooseUser, userFor } from './users.ts'

const path = { PATH: '/usr/bin:/bin' }

test('a program gets only what it is given, and its ending is told whole', async () => {
  const outcome = await run({
    argv: ['sh', '-c', 'cat; env | grep -v -e ^PWD -e ^_ -e ^SHLVL | sort; echo to-stderr >&2; exit 3'],
    env: { ...path, GIVEN: 'yes' },
    input: 'typed\n',
  })
  assert.deepEqual(
    { ...outcome, stdout: outcome.stdout.toString() },
    {
      exitCode: 3,
      signal: null,
      timedOut: false,
      stdout: 'typed\nGIVEN=yes\nPATH=/usr/bin:/bin\n',
      stderr: 'to-stderr\n',
    },
  )
})

test('runOk names the program, its exit code and the last lines of stderr', async () => {
  await assert.rejects(
    runOk({ argv: ['sh', '-c', 'echo first >&2; echo disk full >&2; exit 4'], env: path }, 'copying'),
    (error) => error instanceof Problem && error.detail === 'copying: sh ended with exit code 4: first\ndisk full',
  )
  await assert.rejects(
    run({ argv: ['no-such-program'] }),
    (error) => error instanceof Problem && error.kind === 'program-missing' && /no-such-program/.test(error.detail),
  )
})

test('what goes through a program is held neither before nor behind it, and an error on the way ends it', async () => {
  let [given, told] = [0, 0]
  function* endless(): Generator<string> {
    for (;;) {
      given += 1
      yield 'y'.repeat(65_535)
    }
  }
  const passed: Buffer[] = []
  const { exitCode, stderr } = await runThrough(
    { argv: ['sh', '-c', 'head -c 3000000; echo enough >&2'], env: path },
    { input: endless(), onOutput: (chunk) => passed.push(chunk) },
  )
  assert.deepEqual([exitCode, stderr, Buffer.concat(passed).length], [0, 'enough\n', 3_000_000])
  assert.ok(given < 200, `${given} times 64 KiB were taken for 3 MB`)
  await assert.rejects(
    runThrough(
      { argv: ['yes'], env: path },
      {
        onOutput: () => {
          told += 1
          throw new Error('no more')
        },
      },
    ),
    /no more/,
  )
  assert.equal(told, 1)
})

test('a timeout, an abort and too much output kill the whole process group', async () => {
  const marker = `HEADWAY_TEST_MARK=${process.pid}-${Date.now()}`
  const [name = '', value = ''] = marker.split('=')
  const command = { argv: ['sh', '-c', 'sleep 60 & sleep 60'], env: { ...path, [name]: value } } as const
  const timedOut = await run({ ...command, timeoutMs: 100 })
  assert.deepEqual([timedOut.timedOut, timedOut.signal], [true, 'SIGKILL'])
  const abort = new AbortController()
  const aborted = run(command, abort.signal)
  abort.abort(new Error('changed my mind'))
  await assert.rejects(aborted, /changed my mind/)
  await assert.rejects(
    run({ argv: ['sh', '-c', 'sleep 60 & yes'], env: command.env, maxOutputBytes: 1000 }),
    (error) => error instanceof Problem && error.kind === 'output-too-large',
  )
  const left = () => allPids().filter((pid) => environmentOf(pid).includes(marker) && identityOf(pid) !== null)
  while (left().length > 0) await delay(10) // the kernel ends them when it comes to it
})

test('a stream tells lines of both channels and is stopped by SIGTERM, then SIGKILL', async () => {
  const lines: string[] = []
  let ready = (): void => {}
  const isReady = new Promise<void>((resolve) => {
    ready = resolve
  })
  const running = stream(
    { argv: ['sh', '-c', 'trap "" TERM; echo one; echo two >&2; echo ready; while :; do sleep 1; done'], env: path },
    {
      onLine: (line, channel) => {
        lines.push(`${channel}: ${line}`)
        if (line === 'ready') ready()
      },
    },
  )
  await isReady
  assert.equal((await running.stop(50)).signal, 'SIGKILL')
  assert.deepEqual(lines.sort(), ['stderr: two', 'stdout: one', 'stdout: ready'])
})

test('output that lies ready is read, however late the event loop comes to it', async (context) => {
  const directory = mkdtempSync(join(tmpdir(), 'hw-late-'))
  context.after(() => rmSync(directory, { recursive: true }))
  const told = join(directory, 'told')
  const leftover = `(while test ! -e ${directory}/go; do sleep 0.01; done; echo late; echo >${told}) &`
  const running = stream(
    { argv: ['sh', '-c', `${leftover} echo early`], env: path },
    { onLine: (line) => void lines.push(line) },
  )
  const lines: string[] = []
  while (running.pid !== null && identityOf(running.pid) !== null) await delay(5) // its leader has ended
  await delay(50)
  await new Promise((done) => writeFile(join(directory, 'go'), '', done)) // called back between looks for input and at timers
  const fromMs = performance.now()
  while (!existsSync(told) || performance.now() - fromMs < 1_000); // nothing is read for longer than anybody would wait
  await running.ended
  assert.deepEqual(lines, ['early', 'late'])
})

test('what was left running and holds the output is not waited for, even if it goes on and on', async () => {
  for (const leftover of ['sleep 60', 'yes']) {
    const { stdout } = await run({ argv: ['sh', '-c', `echo $$; ${leftover} &`], env: path, maxOutputBytes: 2 ** 40 })
    const leader = Number(stdout.toString('latin1').split('\n', 1)[0])
    for (const pid of groupMembers(leader)) sendSignal(pid, 'SIGKILL')
    assert.ok(leader > 1)
  }
})

test('as root a program can be another user without any other group', { skip: !isRoot() }, async () => {
  const told = await runOk({ argv: ['id'], env: path, user: { uid: 61_200, gid: 61_201 } }, 'asking who I am')
  assert.equal(told.toString(), 'uid=61200 gid=61201 groups=61201\n')
})

test('a process is recognised by its pid and start, and not when it has ended', async () => {
  const running = stream({ argv: ['sleep', '60'], env: path }, { onLine: () => {} })
  const pid = running.pid ?? 0
  const identity = identityOf(pid)
  assert.ok(identity)
  assert.equal(isAlive(identity), true)
  assert.equal(isAlive({ pid, start: 'another' }), false)
  assert.deepEqual(groupMembers(pid), [pid])
  await running.stop()
  assert.equal(isAlive(identity), false)
})

test('the ports on which a process listens are found', async () => {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  const port = typeof address === 'object' ? address?.port : undefined
  assert.ok(listeningPorts([process.pid]).includes(port ?? -1))
  server.close()
})

test('lines are cut at the limit with a mark, and binary rubbish and CRLF do no harm', () => {
  const lines: string[] = []
  const cutter = lineCutter((line) => lines.push(line), 8)
  for (const chunk of ['0123456789', '0123\nshort\r\n', '\n', 'é'.slice(0)]) cutter.push(Buffer.from(chunk))
  cutter.push(Buffer.from([0xff, 0x00, 0x0a, 0xe2, 0x82]))
  cutter.push(Buffer.from([0xac]))
  cutter.end()
  assert.deepEqual(lines, [`01234567${cutMark}`, 'short', '', 'é\uFFFD\0', '€'])
})

test('every purpose keeps its own user from the range, over restarts', { skip: !isRoot() }, (context) => {
  const root = mkdtempSync(join(tmpdir(), 'headway-users-'))
  context.after(() => rmSync(root, { recursive: true }))
  const first = userFor({ root }, 'service/default/one')
  const second = userFor({ root }, 'service/default/two')
  assert.deepEqual(userFor({ root }, 'service/default/one'), first)
  assert.notDeepEqual(first, second)
  for (const user of [first, second])
    assert.ok(user && user.uid >= 61_184 && user.uid <= 65_519 && user.gid === user.uid)
})

test('a taken user is passed over', () => {
  const free = chooseUser('seed', new Set())
  assert.equal(chooseUser('seed', new Set([free])), free === 65_519 ? 61_184 : free + 1)
})

test('an unprivileged program enters its directory by itself, and gains no privilege', async (context) => {
  if (!isRoot()) return context.skip('only root changes users')
  const root = mkdtempSync(join(tmpdir(), 'headway-confine-'))
  context.after(() => rmSync(root, { recursive: true, force: true }))
  mkdirSync(join(root, 'open'), { mode: 0o755 }) // in a directory that is closed to others
  const user = { uid: 1_900_000_002, gid: 1_900_000_002 }
  const shut = await run({ argv: ['pwd'], cwd: join(root, 'open'), env: path, user })
  assert.deepEqual([shut.exitCode, shut.stdout.toString()], [2, ''])
  chmodSync(root, 0o711)
  const script = 'pwd; grep NoNewPrivs /proc/self/status'
  const open = await run({ argv: ['sh', '-c', script], cwd: join(root, 'open'), env: path, user })
  assert.equal(open.stdout.toString(), `${join(root, 'open')}\nNoNewPrivs:\t1\n`)
})

test('a tree is removed without following its links, whatever its modes', async (context) => {
  const root = mkdtempSync(join(tmpdir(), 'headway-remove-'))
  context.after(() => rmSync(root, { recursive: true, force: true }))
  mkdirSync(join(root, 'kept/deep'), { recursive: true })
  mkdirSync(join(root, 'gone'))
  symlinkSync(join(root, 'kept'), join(root, 'gone/link'))
  for (let round = 0; round < 2; round += 1) await removeTree(join(root, 'gone'))
  assert.deepEqual([readdirSync(root), readdirSync(join(root, 'kept'))], [['kept'], ['deep']])
})

test('no pid that the kernel takes for all processes, or for our own group, is signalled', () => {
  assert.deepEqual(
    [0, 1, -1, Number.NaN].map((pid) => sendSignal(pid, 'SIGCONT')),
    [false, false, false, false],
  )
})

test('what was left running at home in a directory is ended', async () => {
  const home = `/nonexistent/${process.pid}-${Date.now()}`
  const started = await run({
    argv: ['sh', '-c', 'setsid sleep 60 >/dev/null 2>&1 & echo $!'],
    env: { ...path, HOME: `${home}/home` },
  })
  await endAllAtHomeIn(home)
  assert.equal(identityOf(Number(started.stdout.toString())), null)
})

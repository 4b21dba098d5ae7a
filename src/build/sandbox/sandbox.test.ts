import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { suite, test } from 'node:test'
import { isRoot } from '../../home.ts'
import { Problem } from '../../problem.ts'
import { isSleeping, ownSeconds, processesNamed } from '../../processes/sleepers.testing.ts'
import { findBubblewrap } from './bubblewrap.ts'
import type { Isolation } from './sandbox.ts'
import { openTestSandbox } from './testing.ts'

const kinds: readonly Isolation[] = [
  ...(findBubblewrap() ? (['bubblewrap'] as const) : []),
  ...(isRoot() ? (['unprivileged user'] as const) : []),
]
const hasCgroups = isRoot() && ['memory', 'cgroup.controllers'].some((name) => existsSync(join('/sys/fs/cgroup', name)))
/** The tree that has a job's group: of version 1 one of several, of version 2 the only one. */
const cgroupTree = existsSync('/sys/fs/cgroup/pids') ? '/sys/fs/cgroup/pids' : '/sys/fs/cgroup'

for (const wanted of kinds)
  suite(`jobs in isolation by ${wanted}`, () => {
    test('a program has its environment, its directories and its input, and says how it ended', async () => {
      await using sandbox = await openTestSandbox({ wanted })
      await using job = await sandbox.open('job')
      const typed = spawn('echo', ['typed'], { stdio: ['ignore', 'pipe', 'ignore'] })
      const env = { 'INPUT_A-B': 'one\ntwo', SECRET: 's' }
      const script = 'env | grep -A1 -e ^INPUT; env | grep ^SECRET; pwd; cat; echo "$HEADWAY_JOB_PROCESS" >&2; exit 3'
      const ended = await job.run(script, { env, input: typed.stdout })
      const lines = ended.stdout.trimEnd().split('\n')
      assert.deepEqual(
        [ended.exitCode, ended.signal, lines.filter((line) => line !== '--' && !/^[A-Z_]+=\/|^_=/.test(line)).sort()],
        [3, null, ['INPUT_A-B=one', 'SECRET=s', job.workspace.work, 'two', 'typed'].sort()],
      )
      assert.match(ended.stderr, /\/job\/1\n$/)
      assert.equal((await job.run('no-such-program')).exitCode, 127)
      assert.deepEqual(
        sandbox.reports.filter((one) => isRoot() || !one.startsWith('limits of ')),
        [],
      ) // others have no control groups
    })

    test("neither Headway's files, nor another job's, nor root's, nor other processes can be read or hurt", async () => {
      await using sandbox = await openTestSandbox({ wanted })
      await using victim = await sandbox.open('victim')
      await using job = await sandbox.open('job')
      const seconds = ownSeconds(0)
      await victim.run(
        `echo secret > mine; echo secret > "$HOME/mine"; echo secret > "\${TMPDIR:-/tmp}/of-the-victim"; sleep ${seconds} > /dev/null 2>&1 & until grep -q ^sleep /proc/$!/cmdline; do :; done`,
      )
      const [sleeper = ''] = processesNamed(`sleep ${seconds}`)
      const { home } = sandbox
      const attempts: Record<string, string> = {
        'the database': `cat ${home.database}`,
        'the token': `cat ${home.token}`,
        'a list of repositories': `ls ${home.repositories}`,
        'the work of another job': `cat ${victim.workspace.work}/mine`,
        'the home of another job': `cat ${victim.workspace.home}/mine`,
        'what another job has in /tmp': 'cat /tmp/of-the-victim',
        shadow: 'cat /etc/shadow',
        "the first process's environment": 'grep -z HOME /proc/1/environ',
        "Headway's environment": `cat /proc/${process.pid}/environ`,
        "the environment of another job's program": `cat /proc/${sleeper}/environ`,
        "the pipes of another job's programs": `ls ${victim.workspace.root}/pipes`,
        "a pipe of another job's programs": `cat ${victim.workspace.root}/pipes/one-0-out`,
        "another job's memory": `head -c 1 /proc/${sleeper}/mem`,
        'a signal to another job': `kill -9 ${sleeper}`,
        'a signal to Headway': `kill -9 ${process.pid}`,
        'the system': 'echo x > /usr/bin/x || echo x > /etc/x',
        'the sealed key by a link': `ln -s ${home.root}/master-key key && cat key`,
        'a raw disk': 'head -c 1 /dev/vda || head -c 1 /dev/sda || mknod disk b 8 0',
        'a mount': 'mount -t tmpfs none /mnt',
        root: 'su -c id || sudo -n id || setpriv --reuid 0 id',
      }
      const succeeded: string[] = []
      for (const [what, script] of Object.entries(attempts)) {
        const ended = await job.run(`( ${script} ) 2>&1`)
        if (ended.exitCode === 0) succeeded.push(`${what}: ${ended.stdout}`)
      }
      assert.deepEqual(succeeded, [])
      assert.deepEqual(processesNamed(`sleep ${seconds}`), [sleeper])
    })

    test('what a step leaves running is there for the next, and nothing of it after the job', async () => {
      await using sandbox = await openTestSandbox({ wanted })
      await using job = await sandbox.open('job')
      const sleepers = [1, 2, 3].map(ownSeconds)
      const [child, own, far] = sleepers
      const left = `sleep ${child} & setsid sleep ${own} & (cd / && exec env -i setsid -f sleep ${far}); echo $! > pid`
      await job.run(
        `${left.replaceAll('&', '> /dev/null 2>&1 &').replace('> /dev/null 2>&1 &> /dev/null 2>&1 &', '&&')}`,
      )
      const seen = await job.run('kill -0 $(cat pid) && echo there', { step: 2 })
      assert.equal(seen.stdout, 'there\n')
      await job.cell[Symbol.asyncDispose]()
      assert.deepEqual(sleepers.filter(isSleeping), [])
    })

    test('a step is asked to end by signals and is killed with what it started', async () => {
      await using sandbox = await openTestSandbox({ wanted })
      await using job = await sandbox.open('job')
      const start = (script: string) =>
        job.cell.start({
          argv: ['/bin/bash', '-c', script],
          cwd: job.workspace.work,
          env: { PATH: '/usr/bin:/bin' },
          marker: 'polite/1',
        })
      const polite = await start('trap "exit 7" INT; echo ready; while :; do sleep 0.05; done')
      polite.stdout.once('data', () => polite.signal('SIGINT'))
      assert.equal((await polite.ended).exitCode, 7)
      const stubborn = await start(
        `trap "" INT TERM; setsid sleep ${ownSeconds(4)} & echo ready; while :; do sleep 0.05; done`,
      )
      await new Promise((resolve) => stubborn.stdout.once('data', resolve))
      stubborn.signal('SIGTERM')
      await stubborn.end()
      const { exitCode, signal } = await stubborn.ended
      assert.ok(signal === 'SIGKILL' || exitCode === 137)
      assert.equal(isSleeping(ownSeconds(4)), false)
    })

    test('a program gets its words and its environment as they are, whatever they hold, and nothing else', async () => {
      await using sandbox = await openTestSandbox({ wanted })
      await using job = await sandbox.open('job')
      const odd = `a 'b' "c" $d \`e\` \\ \n\t;&|<>()#~*é\u0081\u0088😀%s\r end `
      const env = { ODD: odd, EMPTY: '', PATH: '/usr/bin:/bin', HOME: job.workspace.home }
      const seen = await job.run(
        `printf %s "$ODD"; [ "\${EMPTY+set}" ]; printf '%s' '${odd.replaceAll("'", `'\\''`)}'`,
        { env },
      )
      assert.deepEqual([seen.exitCode, seen.stdout], [0, odd + odd])
      const names = await job.run('exec /usr/bin/env -u _ /usr/bin/env | cut -d= -f1', { env: { A: '1' } })
      assert.deepEqual(
        names.stdout
          .split('\n')
          .filter((name) => name !== '_' && name !== 'SHLVL')
          .sort(),
        ['', 'A', 'HEADWAY_JOB_PROCESS', 'HOME', 'PATH', 'PWD'],
      )
    })

    test('a program has no privilege, no open file but its own and the limits of its job, however it was started', async () => {
      await using sandbox = await openTestSandbox({ wanted })
      await using job = await sandbox.open('job')
      const script = `umask; ulimit -c; ulimit -f; grep -e ${wanted === 'bubblewrap' ? 'Cap' : 'Cap[^B]'} -e NoNewPrivs /proc/self/status; sed 's/.*:[a-z]*://' /proc/self/cgroup | sort
        ls /proc/self/fd | grep -v 255 | wc -l; readlink /proc/self/ns/user /proc/self/ns/pid`
      const inside = await job.run(script)
      assert.match(inside.stdout, /^00\d\d\n0\n65536\n(Cap\w+:\t0+\n){4,5}NoNewPrivs:\t1\n/)
      if (hasCgroups) assert.match(inside.stdout, /run-1\.job\n/)
      const { stdout } = await job.run(script, { env: { 'INPUT_A-B': 'no name for a shell' } })
      assert.deepEqual(stdout.replaceAll(/^\d+$/gm, ''), inside.stdout.replaceAll(/^\d+$/gm, ''))
    })

    test('a directory that a job has replaced by a link leads it nowhere that is closed to it', async () => {
      await using sandbox = await openTestSandbox({ wanted })
      await using job = await sandbox.open('job')
      const cwd = join(job.workspace.work, 'link')
      await job.run(`ln -s ${sandbox.home.repositories} link`)
      for (const env of [{}, { 'INPUT_A-B': 'no name for a shell' }]) {
        const { exitCode, stdout } = await job.run('pwd; ls', { cwd, env })
        assert.deepEqual([exitCode === 0, stdout], [false, ''])
      }
    })

    test('who stops what starts the programs is ended all the same, and the next program runs', async () => {
      await using sandbox = await openTestSandbox({ wanted })
      await using job = await sandbox.open('job')
      const seconds = ownSeconds(6)
      const program = await job.cell.start({
        argv: ['/bin/bash', '-c', `kill -STOP $PPID; echo stopped; sleep ${seconds}`],
        cwd: job.workspace.work,
        env: { PATH: '/usr/bin:/bin' },
        marker: 'stopping/1',
      })
      await new Promise((resolve) => program.stdout.once('data', resolve))
      await program.end()
      assert.deepEqual(await program.ended, { exitCode: null, signal: 'SIGKILL' })
      assert.equal(isSleeping(seconds), false)
      assert.equal((await job.run('echo next', { step: 2 })).stdout, 'next\n')
    })

    test('who answers in place of what starts the programs harms its own job at most', async () => {
      await using sandbox = await openTestSandbox({ wanted })
      await using other = await sandbox.open('other')
      await using job = await sandbox.open('job')
      const forge = `import ctypes, os
call = ctypes.CDLL(None).syscall
answers = call(438, call(434, os.getppid(), 0), 1, 0)
os.write(answers, b'= 1 0\\n? 2\\n= 2 0\\n' + b'= 9 9\\n' * 100) if answers > 2 else print('refused')`
      await job.run(`python3 -c "$FORGE"; exit 3`, { env: { FORGE: forge } })
      const next = await job.run('echo next; exit 4', { step: 2 })
      assert.deepEqual([next.stdout, next.exitCode], ['next\n', 4])
      const unharmed = await other.run('echo other; exit 5')
      assert.deepEqual([unharmed.stdout, unharmed.exitCode], ['other\n', 5])
    })

    test('who kills what starts the programs, or keeps their outputs open, harms its own job at most', async () => {
      await using sandbox = await openTestSandbox({ wanted })
      await using job = await sandbox.open('job')
      const lost = await job.run('kill -9 $PPID; sleep 60')
      assert.deepEqual([lost.exitCode, lost.signal], [null, 'SIGKILL'])
      const said: string[] = []
      for (let step = 1; step <= 18; step += 1) {
        const { stdout } = await job.run(`sleep ${ownSeconds(5)} & echo ${'$'}{OF}`, {
          step,
          env: { OF: String(step) },
        })
        said.push(stdout)
      }
      assert.deepEqual(
        said,
        Array.from({ length: 18 }, (_, index) => `${index + 1}\n`),
      )
      await job.cell.endAll()
      assert.equal(isSleeping(ownSeconds(5)), false)
    })

    test('the environment of a program takes effect on nothing but itself', async () => {
      await using sandbox = await openTestSandbox({ wanted })
      await using job = await sandbox.open('job')
      const env = { LD_PRELOAD: `${job.workspace.work}/evil.so`, ENV: '/x', LD_LIBRARY_PATH: '/x' }
      await job.run('sleep 0.2; true', { env })
      const starter = await job.run(`tr '\\0' '\\n' < /proc/$PPID/environ`, { env })
      assert.match(starter.stdout, /^HEADWAY_JOB_PROCESS=/m)
      assert.doesNotMatch(starter.stdout, /evil/)
      if (wanted !== 'bubblewrap') return
      const first = await job.run(`tr '\\0' '\\n' < /proc/1/environ`, { env: { ...env, BASH_ENV: '/x' } })
      assert.match(first.stdout, /^HEADWAY_JOB_PROCESS=/m)
      assert.doesNotMatch(first.stdout, /evil/)
    })

    test('a program that kills all that it can reach harms its own job at most, which goes on', async () => {
      await using sandbox = await openTestSandbox({ wanted })
      await using job = await sandbox.open('job')
      await job.run('kill -9 -1')
      assert.equal((await job.run('echo next', { step: 2 })).stdout, 'next\n')
    })

    const overs: readonly (readonly [string, string, RegExp, boolean])[] = [
      ['a fork bomb', ':(){ :|:& };:; sleep 60', /the job was ended: more than 100 processes/, true],
      [
        'too much memory',
        `head -c 400M /dev/zero | tail > /dev/null; sleep 60`,
        /the job was ended: more than 128 MiB of memory/,
        true,
      ],
      [
        'many files',
        'for i in $(seq 50); do head -c 4M /dev/zero > f$i; done; sleep 60',
        /more than 64 MiB on the disk/,
        false,
      ],
      ['one large file', 'fallocate -l 10G big', /a file grew larger than 64 MiB/, false],
    ]
    for (const [what, script, reason, needsCgroups] of overs)
      test(`${what} ends the job with its reason, and another job goes on`, async (context) => {
        if (needsCgroups && !hasCgroups) return context.skip('there are no control groups here')
        await using sandbox = await openTestSandbox({ wanted })
        await using other = await sandbox.open('other')
        await using job = await sandbox.open('job')
        const ended = await job.run(script)
        assert.notEqual(ended.exitCode, 0)
        assert.match(String(job.cell.over.reason?.message), reason)
        await assert.rejects(job.run('echo again'), reason)
        assert.equal((await other.run('echo $((6 * 7))')).stdout, '42\n')
      })

    test('control groups of a job are gone with it', async () => {
      await using sandbox = await openTestSandbox({ wanted })
      const groups = (): string[] =>
        hasCgroups
          ? readdirSync(cgroupTree).filter((name) => name.includes(sandbox.home.root.replace(/[^a-zA-Z0-9]+/g, '-')))
          : []
      {
        await using job = await sandbox.open('job')
        await job.run('true')
        assert.equal(groups().length, hasCgroups ? 1 : 0)
      }
      sandbox.sandbox.close()
      assert.deepEqual(groups(), [])
    })
  })

if (findBubblewrap())
  suite('what only bubblewrap keeps away', () => {
    test('a job sees its own processes, the system and its own directories, and nothing else of the machine', async () => {
      await using sandbox = await openTestSandbox({ wanted: 'bubblewrap' })
      await using job = await sandbox.open('job')
      writeFileSync(join(sandbox.home.root, 'readable-by-all'), 'x', { mode: 0o644 })
      const seen = await job.run(
        `ls /home /root /run /srv /mnt /var/lib 2>/dev/null | grep -v -e ^gems -e : -e '^$' -e systemd -e resolv; ls ${sandbox.home.root}; ls /tmp | wc -l; id -un; python3 -c 'import os; os.openpty()' 2>&1`,
      )
      assert.equal(seen.stdout, isRoot() ? 'work\n1\njob\n' : seen.stdout)
      const pids = await job.run('ls /proc | grep -c "^[0-9]"')
      assert.ok(Number(pids.stdout) < 15, pids.stdout) // those that start programs among them
    })
  })

if (isRoot())
  test('what starts the programs of a job of another user can neither be looked into nor hurt', async () => {
    await using sandbox = await openTestSandbox({ wanted: 'unprivileged user' })
    await using victim = await sandbox.open('victim')
    await using job = await sandbox.open('job')
    const starter = (await victim.run('echo $PPID')).stdout.trim()
    assert.equal(readFileSync(`/proc/${starter}/comm`, 'utf8'), 'starter-one\n')
    for (const script of [
      `kill -9 ${starter}`,
      `kill -STOP ${starter}`,
      `cat /proc/${starter}/environ`,
      `ls -l /proc/${starter}/fd/`,
      `echo x > /proc/${starter}/fd/1`,
      `head -c 1 /proc/${starter}/mem`,
    ])
      assert.notEqual((await job.run(script)).exitCode, 0, script)
    assert.equal((await victim.run('echo "$SECRET"', { step: 2, env: { SECRET: 's' } })).stdout, 's\n')
  })

test('where nothing isolates, only jobs of administrators run, and others are told what to install', async () => {
  await using sandbox = await openTestSandbox({ wanted: 'none', user: null })
  assert.equal(sandbox.sandbox.isolation, 'none')
  await assert.rejects(
    sandbox.open('job', { isByAdministrator: false }),
    /only jobs that an administrator caused.*apt-get install bubblewrap/s,
  )
  await using job = await sandbox.open('job', { user: null })
  for (const step of [1, 2, 3]) {
    const { stdout, exitCode } = await job.run('echo "runs $STEP"; exit $STEP', { step, env: { STEP: `${step}` } })
    assert.deepEqual([stdout, exitCode], [`runs ${step}\n`, step])
  }
})

test('a job of one step starts its only program without a shell that would start it', async () => {
  await using sandbox = await openTestSandbox({ wanted: 'none', user: null })
  await using job = await sandbox.open('job', { user: null, steps: 1 })
  const parentOf = async (): Promise<boolean> => (await job.run('echo $PPID')).stdout === `${process.pid}\n`
  assert.deepEqual([await parentOf(), await parentOf(), await parentOf()], [true, false, false])
})

test('a job that asks for containers where there is no engine is refused at once, by name', async () => {
  await using sandbox = await openTestSandbox({ environment: { DOCKER_HOST: 'unix:///nonexistent' } })
  const wish = { env: {}, ports: [], volumes: [], options: '', credentials: null }
  await assert.rejects(
    sandbox.open('job', { container: { ...wish, image: 'node:20' } }),
    /runs in a container \(node:20\), for which there is no Docker Engine on this machine; install one/,
  )
  await assert.rejects(
    sandbox.open('job', { services: [{ ...wish, id: 'search', image: 'opensearch:2' }] }),
    /services \(search\).*no Docker Engine/,
  )
})

test('an isolation that was asked for and does not hold is a problem, not another isolation', async () => {
  await assert.rejects(
    openTestSandbox({ wanted: 'unprivileged user', user: null }),
    (error) => error instanceof Problem && error.kind === 'isolation-impossible' && /not root/.test(error.detail),
  )
})

if (findBubblewrap() && isRoot())
  test('a folder of tools that is closed to the jobs is left out, and an open one is there', async (context) => {
    const root = mkdtempSync(join(tmpdir(), 'headway-tools-'))
    context.after(() => rmSync(root, { recursive: true }))
    for (const [name, mode] of [
      ['open', 0o755],
      ['closed', 0o700],
    ] as const) {
      mkdirSync(join(root, name, 'bin'), { recursive: true })
      chmodSync(join(root, name), mode)
    }
    chmodSync(root, 0o711)
    const readable = ['open', 'closed/bin', 'missing'].map((name) => join(root, name))
    await using sandbox = await openTestSandbox({ wanted: 'bubblewrap', readable })
    await using job = await sandbox.open('job')
    assert.equal((await job.run(`ls ${root}`)).stdout, 'open\n')
  })

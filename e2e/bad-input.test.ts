import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { closeSync, ftruncateSync, mkdtempSync, openSync, rmSync, writeFileSync, writeSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { after, before, describe, test } from 'node:test'
import { changed, exampleFiles } from './support/example.ts'
import { execute, launcher, type Platform, type Repository, startPlatform } from './support/platform.ts'

describe('bad input gets a clear error and loses nothing', () => {
  let platform: Platform
  let repository: Repository
  const files = exampleFiles('node', 'steady', 1)
  before(async () => {
    platform = await startPlatform({ env: { HEADWAY_MAX_PACK_BYTES: String(2 * 1024 * 1024) } })
    repository = await platform.repository('steady', files)
    assert.match((await repository.push()).output, /live at/)
  })
  after(async () => {
    await platform.destroy()
    rmSync(repository.directory, { recursive: true, force: true })
  })

  /** Pushes a change that must not go live, checks what the push said, and that the version before still answers. */
  const refused = async (message: string, change: Record<string, string>, said: readonly RegExp[]) => {
    await repository.commit(message, change)
    const outcome = await repository.push()
    for (const expected of said) assert.match(outcome.output, expected, outcome.output)
    assert.doesNotMatch(outcome.output, /live at/)
    assert.match((await platform.get('steady.localhost')).body, /^Hello, world/)
    await repository.commit('Mend it', files)
  }

  test('broken YAML is named with its line and column', () =>
    refused('Broken', { 'headway.yaml': 'name: steady\nlanguage: [node\nport: 3000\n' }, [/headway\.yaml:\d+:\d+/]))

  test('an unknown key is named with the nearest valid one', () =>
    refused('Typo', { 'headway.yaml': 'name: steady\nlanguage: node\nport: 3000\nreplica: 2\n' }, [
      /headway\.yaml:4:1/,
      /replica/,
      /did you mean.*replicas/i,
    ]))

  test('a service that exits at once never gets traffic and its last words are shown', () =>
    refused('Exit', { 'src/server.js': "console.error('no configuration found'); process.exit(3)\n" }, [
      /no configuration found/,
      /\b3\b/,
      /headway logs steady/,
    ]))

  test('a service that never answers never gets traffic', () =>
    refused(
      'Silent',
      {
        'src/server.js': "console.log('thinking'); setInterval(() => {}, 1000)\n",
        'headway.yaml':
          'name: steady\nlanguage: node\nport: 3000\nreplicas: 1\nhealth: { path: /health, timeout: 2s }\n',
      },
      [/thinking/, /health|answer|healthy/],
    ))

  test('a service that ignores SIGTERM is replaced all the same', async () => {
    await repository.commit('Stubborn', {
      'src/server.js': `${files['src/server.js']?.replace(/process\.on\('SIGTERM'.*\n/, "process.on('SIGTERM', () => console.log('no'))\n")}`,
    })
    assert.match((await repository.push()).output, /live at/)
    await repository.commit('Reasonable', {
      ...files,
      'README.md': 'again\n',
    })
    assert.match((await repository.push()).output, /live at/)
    const instances = JSON.parse((await platform.headway('ps', '--json')).stdout)
    assert.equal(instances.filter((one: { service: string }) => one.service === 'steady').length, 1)
  })

  test('a push without rights is refused and says which role is missing', async () => {
    await platform.headway('user', 'add', 'vera')
    await platform.headway('user', 'role', 'vera', 'viewer', '--project', 'default')
    const token = JSON.parse((await platform.headway('token', 'create', '--user', 'vera', '--json')).stdout)
      .secret as string
    await repository.commit('Not allowed', { 'README.md': 'x\n' })
    const outcome = await execute(
      [
        'git',
        '-c',
        'credential.helper=',
        '-c',
        `credential.helper=!printf 'username=vera\\npassword=${token}\\n' #`,
        'push',
        'headway',
        'main',
      ],
      {
        cwd: repository.directory,
        env: { GIT_TERMINAL_PROMPT: '0' },
      },
    )
    assert.notEqual(outcome.code, 0)
    assert.match(outcome.stderr, /developer/)
  })

  test('a pack over the limit is refused with the limit', async () => {
    writeFileSync(join(repository.directory, 'big.bin'), randomBytes(4 * 1024 * 1024))
    await repository.commit('Big', {})
    const outcome = await repository.push()
    assert.notEqual(outcome.code, 0)
    assert.match(outcome.output, /2(\.0)? MiB|limit|exceeds/i)
    await repository.git('reset', '--quiet', '--hard', 'HEAD~1')
  })

  test('a hostile ref name is refused', async () => {
    const outcome = await repository.push(['main:refs/heads/a\u202eb'])
    assert.notEqual(outcome.code, 0)
    const other = await repository.push(['main:refs/notes/x'])
    assert.notEqual(other.code, 0)
    assert.match(other.output, /refs\/heads|branch/i)
  })

  test('two pushes at once to one service end with one of them live and both told the truth', async () => {
    const clone = mkdtempSync(join(tmpdir(), 'headway-second-'))
    await repository.git('clone', '--quiet', repository.directory, clone)
    await repository.commit('One', changed(files, 'src/page.js', /Hello/, 'Hello one'))
    const second = await execute(
      [
        'git',
        '-c',
        'user.name=Bo',
        '-c',
        'user.email=bo@example.com',
        'commit',
        '--quiet',
        '--allow-empty',
        '-m',
        'Two',
      ],
      { cwd: clone },
    )
    assert.equal(second.code, 0)
    const helper = (await repository.git('config', 'credential.helper')).stdout.trim()
    const [one, two] = await Promise.all([
      repository.push(),
      execute(
        [
          'git',
          '-c',
          `credential.helper=${helper}`,
          'push',
          (await repository.git('remote', 'get-url', 'headway')).stdout.trim(),
          'HEAD:main',
        ],
        { cwd: clone },
      ),
    ])
    const told = [one.output, two.stderr].sort((left) => (/live at/.test(left) ? -1 : 1))
    assert.deepEqual([one.code, two.code].sort(), [0, 1], told.join('\n'))
    assert.match(told[0] ?? '', /live at/)
    assert.match(told[1] ?? '', /rejected|failed to push/)
    rmSync(clone, { recursive: true, force: true })
  })

  test('a port in use is named, with what to do', async () => {
    const server = createServer()
    await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening))
    const address = server.address()
    const port = typeof address === 'object' && address ? address.port : 0
    const home = mkdtempSync(join(tmpdir(), 'headway-port-'))
    const outcome = await execute([launcher, 'up', '--home', home, '--port', String(port), '--edge-port', '0'])
    assert.notEqual(outcome.code, 0)
    assert.match(outcome.stderr, new RegExp(`port ${port}`))
    assert.match(outcome.stderr, /--port/)
    const edge = await execute([launcher, 'up', '--home', home, '--port', '0', '--edge-port', String(port)])
    assert.notEqual(edge.code, 0)
    assert.match(edge.stderr, new RegExp(`port ${port}`))
    assert.match(edge.stderr, /--edge-port/)
    await execute([launcher, 'down', '--home', home])
    await new Promise((closed) => server.close(closed))
    rmSync(home, { recursive: true, force: true })
  })

  test('after all of it the ledger verifies, views equal a rebuild, and every deployment has ended', async () => {
    const verified = await platform.headway('ledger', 'verify', '--views')
    assert.equal(verified.code, 0, verified.stdout + verified.stderr)
    const deployments = JSON.parse((await platform.headway('deployments', 'steady', '--json')).stdout)
    assert.deepEqual(
      deployments.filter((one: { outcome: string | null }) => one.outcome === null),
      [],
    )
  })

  test('a second server on the same data is refused and names the first', async () => {
    const outcome = await execute([launcher, 'up', '--home', platform.home, '--port', '0', '--edge-port', '0'])
    assert.notEqual(outcome.code, 0)
    assert.match(outcome.stderr, new RegExp(String(platform.controlPlane.pid)))
  })
})

const tmpfs = mkdtempSync(join(tmpdir(), 'headway-small-'))
const isMounted =
  process.getuid?.() === 0 &&
  (await execute(['mount', '-t', 'tmpfs', '-o', 'size=192m,mode=0711', 'tmpfs', tmpfs])).code === 0

describe('a full disk', { skip: isMounted ? false : 'only root may mount a small disk' }, () => {
  const files = exampleFiles('node', 'narrow', 1)
  const home = join(tmpfs, 'home')
  const filler = join(tmpfs, 'filler')
  let platform: Platform
  let repository: Repository
  before(async () => {
    platform = await startPlatform({ home, keep: true })
    repository = await platform.repository('narrow', files)
    const outcome = await repository.push()
    assert.match(outcome.output, /live at/, outcome.output)
  })
  after(async () => {
    rmSync(filler, { force: true })
    try {
      await platform.destroy()
      rmSync(repository.directory, { recursive: true, force: true })
    } finally {
      await execute(['umount', '--lazy', tmpfs])
      rmSync(tmpfs, { recursive: true, force: true })
    }
  })

  /** Takes all the room of the disk but so much. The server writes there meanwhile, so what is free is found by filling it. */
  const fillUp = (leftBytes: number) => {
    const file = openSync(filler, 'w')
    let filledBytes = 0
    for (let stepBytes = 1024 * 1024; stepBytes >= 4096; ) {
      try {
        filledBytes += writeSync(file, Buffer.alloc(stepBytes))
      } catch (error) {
        if (!(error instanceof Error && 'code' in error && error.code === 'ENOSPC')) throw error
        stepBytes /= 4
      }
    }
    ftruncateSync(file, Math.max(0, filledBytes - leftBytes))
    closeSync(file)
  }

  const paint = { 'paint.txt': randomBytes(3 * 1024 * 1024).toString('base64') }
  for (const [left, leftBytes, more] of [
    ['no room at all', 0, {}],
    ['little room', 512 * 1024, {}],
    ['room for the push and not for its build', 5 * 1024 * 1024, paint],
  ] as const) {
    test(`with ${left} is named, traffic goes on, and the same push succeeds once there is room`, async () => {
      const words = `Hello with ${left},`
      await repository.commit(words, { ...more, ...changed(files, 'src/page.js', /Hello,/, words) })
      fillUp(leftBytes)
      const look = () => platform.get('narrow.localhost')
      let freeing: ReturnType<typeof look> | undefined
      // A push that waits says so, and goes on once there is room; any other ends with the error.
      const outcome = await repository.push(['main'], (line) => {
        if (!/waiting: the disk of .* is full/.test(line)) return
        freeing ??= look().finally(() => rmSync(filler))
      })
      const page = await (freeing ?? look())
      if (!freeing) assert.doesNotMatch(outcome.output, /live at/)
      assert.match(outcome.output, /disk .*is full|no room|no space left|disk full/i, outcome.output)
      assert.equal(page.status, 200)
      assert.doesNotMatch(page.body, new RegExp(words))
      rmSync(filler, { force: true })
      await repository.commit('Again', {})
      const again = await repository.push()
      assert.match(again.output, /live at/, again.output)
      assert.match((await platform.get('narrow.localhost')).body, new RegExp(`^${words} world`))
    })
  }

  test('has cost nothing that was recorded', async () => {
    const verified = await platform.headway('ledger', 'verify', '--views')
    assert.equal(verified.code, 0, verified.stdout + verified.stderr)
  })
})

describe('a ledger', () => {
  test('that was altered is refused by verify, which names the fact', async () => {
    const platform = await startPlatform()
    try {
      await platform.headway('user', 'add', 'ada')
      await platform.crash()
      const database = new DatabaseSync(join(platform.home, 'headway.db'))
      database.exec(
        "UPDATE ledger_facts SET payload = CAST(replace(CAST(payload AS TEXT), 'ada', 'eve') AS BLOB) WHERE type = 'user.created' AND CAST(payload AS TEXT) LIKE '%ada%'",
      )
      database.close()
      await platform.restart()
      const verified = await platform.headway('ledger', 'verify')
      assert.notEqual(verified.code, 0)
      assert.match(verified.stdout + verified.stderr, /fact \d+.*altered/is)
    } finally {
      await platform.destroy()
    }
  })

  test('written by a newer version is refused by an older one and not changed', async () => {
    const platform = await startPlatform()
    try {
      await platform.crash()
      const database = new DatabaseSync(join(platform.home, 'headway.db'))
      const { table } = database
        .prepare("SELECT name AS 'table' FROM sqlite_schema WHERE name LIKE '%migration%' AND type = 'table'")
        .get() as { table: string }
      const columns = database.prepare(`SELECT name, type FROM pragma_table_info('${table}')`).all() as {
        name: string
        type: string
      }[]
      const row = columns.map(({ name, type }) =>
        /int/i.test(type) ? 9999 : name === 'name' ? 'from-the-future' : '9.9.9',
      )
      database
        .prepare(
          `INSERT INTO ${table} (${columns.map(({ name }) => name).join(', ')}) VALUES (${row.map(() => '?').join(', ')})`,
        )
        .run(...row)
      database.close()
      const outcome = await execute([launcher, 'up', '--home', platform.home, '--port', '0', '--edge-port', '0'])
      assert.notEqual(outcome.code, 0)
      assert.match(outcome.stderr, /newer/)
      const again = new DatabaseSync(join(platform.home, 'headway.db'))
      again.prepare(`DELETE FROM ${table} WHERE ${columns[0]?.name} = ?`).run(row[0] ?? 0)
      again.close()
      await platform.restart()
    } finally {
      await platform.destroy()
    }
  })
})

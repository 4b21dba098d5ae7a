import assert from 'node:assert/strict'
import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
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
import { test } from 'node:test'
import { isRoot } from '../../home.ts'
import { killedOnceAt, lifeEnvironment, marksToKillAt, patienceMs } from '../../kills.testing.ts'

const workflow = `
on: push
jobs:
  a:
    runs-on: x
    services: { db: { image: postgres, env: { POSTGRES_HOST_AUTH_METHOD: trust }, ports: [5432] } }
    steps:
      - uses: actions/checkout@v4
      - run: |
          setsid sleep 3663 > /dev/null 2>&1 &
          test "$(cat file)" = changed
`

/** Of the runs without a server, and of the services that the machine itself serves; the latter where Headway changes users. */
const killedAt = [
  'build.make-local-home',
  'build.snapshot-repository',
  'build.snapshot-git',
  ...(isRoot() ? ['build.make-service-directory', 'build.hand-over-service'] : []),
  'build.remove-snapshot',
  'build.remove-local-home',
].flatMap((name) => [`${name}:before`, `${name}:after`])

/** A folder with Git and a change that is not committed, and a temporary directory, both of our own. */
const makePlace = () => {
  const root = mkdtempSync(join(tmpdir(), 'hw-local-crash-'))
  const [tree, temporary] = [join(root, 'tree'), join(root, 'tmp')]
  for (const directory of [root, tree, temporary]) {
    mkdirSync(directory, { recursive: true })
    chmodSync(directory, 0o711)
  }
  mkdirSync(join(tree, '.github/workflows'), { recursive: true })
  writeFileSync(join(tree, '.github/workflows/ci.yml'), workflow)
  writeFileSync(join(tree, 'file'), 'old')
  const identity = ['-c', 'user.name=a', '-c', 'user.email=a@b']
  for (const words of [
    ['init', '-q'],
    ['add', '-A'],
    [...identity, 'commit', '-q', '-m', 'First'],
  ])
    execFileSync('git', words, { cwd: tree })
  writeFileSync(join(tree, 'file'), 'changed')
  return { root, tree, temporary, [Symbol.dispose]: () => rmSync(root, { recursive: true, force: true }) }
}
type Place = ReturnType<typeof makePlace>

const run = async ({ tree, temporary }: Place, environment: Readonly<Record<string, string>>) => {
  const program = join(import.meta.dirname, 'crash.testing.ts')
  const argv = ['--disable-warning=ExperimentalWarning', program, tree, isRoot() ? 'user' : 'none']
  const child = spawn(process.execPath, argv, {
    env: { ...lifeEnvironment(), DOCKER_HOST: 'unix:///nonexistent', TMPDIR: temporary, ...environment },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  let said = ''
  child.stdout.on('data', (chunk: Buffer) => {
    said += chunk
  })
  const [, signal] = await once(child, 'close')
  return { signal, said }
}

/** Everything that Git has of the folder, the index included. */
const stateOf = ({ tree }: Place): string =>
  execFileSync('sh', ['-c', 'find .git -type f -exec sha256sum {} + | sort'], { cwd: tree, encoding: 'utf8' })

const programsOf = ({ root }: Place): string[] =>
  readdirSync('/proc').filter((pid) => {
    try {
      return /^\d+$/.test(pid) && readFileSync(`/proc/${pid}/environ`, 'latin1').includes(`=${root}/tmp/headway-run-`)
    } catch {
      return false
    }
  })

const groupsOf = ({ root }: Place): string[] =>
  ['pids', 'memory', 'cpu', '.'].flatMap((tree) => {
    const directory = join('/sys/fs/cgroup', tree)
    const name = root.replace(/[^a-zA-Z0-9]+/g, '-')
    return existsSync(directory) ? readdirSync(directory).filter((one) => one.includes(name)) : []
  })

// One run after another in the same place, each killed at the next mark: what one leaves the following must clear before its own turn.
test('whatever a run without a server leaves when it is killed, the next one clears, services and control groups included', {
  timeout: patienceMs,
}, async () => {
  using place = makePlace()
  const before = stateOf(place)
  for (const mark of marksToKillAt(killedAt)) {
    const { signal, said } = await run(place, killedOnceAt(mark))
    assert.equal(signal, 'SIGKILL', `${mark} did not kill: ${said}`)
    const homes = readdirSync(place.temporary).filter((name) => name.startsWith('headway-run-'))
    assert.ok(homes.length <= 1, `${mark}: what was left before is still there: ${homes}`)
    assert.ok(new Set(groupsOf(place)).size <= 1, `${mark}: control groups of before are left: ${groupsOf(place)}`)
  }
  assert.equal((await run(place, {})).said, '["success",null]')
  assert.deepEqual(
    [readdirSync(place.temporary), programsOf(place), groupsOf(place), stateOf(place) === before],
    [[], [], [], true],
  )
})

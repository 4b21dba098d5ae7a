import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { isRoot } from '../home.ts'
import { killedAt, killsInARow, lifeEnvironment, marksToKillAt, patienceMs, sideBySide } from '../kills.testing.ts'
import { findBubblewrap } from './sandbox/bubblewrap.ts'
import { conclusionsOf, makeTestPlace } from './testing.ts'

const workflow = `
on: push
jobs:
  one:
    runs-on: x
    outputs: { value: "\${{ steps.s.outputs.value }}" }
    steps:
      - uses: actions/checkout@v4
      - uses: actions/setup-node@v4
      - uses: headway/dependencies@v1
        with: { language: node, lockfile: lock, folders: kept, variant: development }
      - uses: actions/cache@v4
        with: { path: cached, key: k }
      - id: s
        run: |
          mkdir -p cached && echo cached > cached/file && echo left > left
          mkdir -p kept && echo dependency > kept/file || true
          setsid sleep 3661 > /dev/null 2>&1 &
          echo value=1 >> "$GITHUB_OUTPUT"
      - uses: actions/upload-artifact@v4
        with: { path: left }
  two:
    needs: one
    runs-on: x
    steps:
      - uses: actions/checkout@v4
      - uses: headway/dependencies@v1
        with: { language: node, lockfile: lock, folders: kept, variant: development }
      - uses: actions/download-artifact@v4
      - uses: acme/tool@main
      - run: test "\${{ needs.one.outputs.value }}$(cat artifact/left)" = 1left
`

/** The repository is mirrored as an action's, too. */
const action = `
name: tool
runs: { using: composite, steps: [{ run: echo done >> $GITHUB_STEP_SUMMARY, shell: sh }] }
`

type Place = ReturnType<typeof makeTestPlace> & { readonly head: string }

const newPlace = (): Place => {
  const place = makeTestPlace()
  const files = { '.github/workflows/ci.yml': workflow, lock: 'locked', 'action.yml': action }
  return { ...place, head: place.commit(files, 'refs/heads/main') }
}

/** Runs the server-like child to its end; resolves to how it ended and what it printed. */
const runChild = ({ root, head }: Place, environment: Record<string, string>) =>
  new Promise<{ signal: string | null; exitCode: number | null; output: string }>((resolve) => {
    const program = fileURLToPath(new URL('crash.testing.ts', import.meta.url))
    const child = spawn(process.execPath, ['--disable-warning=ExperimentalWarning', program, root, head], {
      env: { ...lifeEnvironment(), HOME: root, ...environment },
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    let output = ''
    child.stdout.on('data', (chunk: Buffer) => {
      output += chunk.toString()
    })
    child.once('close', (exitCode, signal) => resolve({ signal, exitCode, output }))
  })

/** In which the jobs of the child run. */
const isolations = [...(isRoot() ? ['user'] : ['none']), ...(findBubblewrap() ? ['bubblewrap'] : [])]

const marksPassed = async (isolation: string): Promise<string[]> => {
  const place = newPlace()
  const trace = join(place.root, 'trace')
  await runChild(place, { HEADWAY_FAILPOINT_TRACE: trace, HEADWAY_TEST_ISOLATION: isolation })
  const marks = readFileSync(trace, 'utf8').split('\n')
  rmSync(place.root, { recursive: true, force: true })
  return [...new Set(marks.filter((mark) => /^(build\.|processes\.cgroup-)/.test(mark)))]
}

/** Passed only by a process whose predecessor was killed in the middle of a run, and where that is done. */
const afterKills = ['build.remove-leftovers:before', 'build.remove-leftovers:after']
const middle = 'build.start-step:after'
const onBothSides = ['build.start-step', 'build.end-processes', 'build.remove-leftovers', 'build.save-dependencies']

/** Kills the process at the mark, then lets it go on, and says what is not as it should be. */
const faultsAfterCrashesAt = async (mark: string, isolation: string): Promise<string[]> => {
  const place = newPlace()
  const faults: string[] = []
  const check = (isRight: boolean, fault: string): void => {
    if (!isRight) faults.push(`${mark}: ${fault}`)
  }
  if (afterKills.includes(mark)) await runChild(place, { HEADWAY_FAILPOINT: middle, HEADWAY_TEST_ISOLATION: isolation })
  const kills = mkdtempSync(join(place.root, 'kills-'))
  const life = () => runChild(place, { ...killedAt(mark, kills), HEADWAY_TEST_ISOLATION: isolation })
  let last = await life()
  check(last.signal === 'SIGKILL', 'the process was not killed')
  for (let kill = 1; kill <= killsInARow && last.signal === 'SIGKILL'; kill += 1) last = await life()
  check(last.exitCode === 0, `it ended with ${last.exitCode ?? last.signal}`)
  const facts = last.output === '' ? [] : JSON.parse(last.output)
  const count = (type: string): number => facts.filter((one: { type: string }) => one.type === type).length
  const conclusions = JSON.stringify(conclusionsOf(facts))
  check(
    conclusions === JSON.stringify({ one: 'success', two: 'success', run: 'success' }),
    `it concluded ${conclusions}`,
  )
  check(
    count('push.verified') === 1 && count('run.finished') === 1 && count('job.finished') === 2,
    'something was concluded twice',
  )
  check(readdirSync(place.home.workspaces).length === 0, `left ${readdirSync(place.home.workspaces)}`)
  const cached = readdirSync(join(place.home.caches, 'dependencies'))
  check(cached.length === 1 && !cached[0]?.includes('.'), `the cache holds ${cached}`)
  const mirrors = readdirSync(join(place.home.repositories, '.actions'))
  check(mirrors.join() === 'acme+tool.git,gitconfig', `the mirrors are ${mirrors}`)
  const results = place.home.results
  check(
    readdirSync(join(results, 'uploads')).length === 0,
    `uploads were left: ${readdirSync(join(results, 'uploads'))}`,
  )
  const contents = readdirSync(join(results, 'contents')).flatMap((folder) =>
    readdirSync(join(results, 'contents', folder)),
  )
  check(contents.length === 2, `the contents are ${contents}, not one artifact and one cache`)
  check(!isAnybodyIn(place.home.work), 'a process was left')
  check(groupsOf(place.root).length === 0, `control groups were left: ${groupsOf(place.root)}`)
  rmSync(place.root, { recursive: true, force: true })
  return faults
}

const groupsOf = (root: string): string[] =>
  ['pids', '.'].flatMap((tree) => {
    const directory = join('/sys/fs/cgroup', tree)
    const name = root.replace(/[^a-zA-Z0-9]+/g, '-')
    return existsSync(directory) ? readdirSync(directory).filter((one) => one.includes(name)) : []
  })

const isAnybodyIn = (directory: string): boolean =>
  readdirSync('/proc').some((pid) => {
    try {
      if (!/^\d+$/.test(pid)) return false
      const [environment, words] = ['environ', 'cmdline'].map((file) => readFileSync(`/proc/${pid}/${file}`, 'latin1'))
      return environment?.includes(`HOME=${directory}`) || (/\bbwrap\0/.test(words ?? '') && words?.includes(directory))
    } catch {
      return false
    }
  })

test('killed at any effect and started again, a push ends as if nothing had been', {
  timeout: patienceMs,
}, async () => {
  assert.ok(existsSync('/proc/self/environ'), 'this test needs Linux')
  const marks: (readonly [mark: string, isolation: string])[] = []
  for (const isolation of isolations)
    for (const mark of await marksPassed(isolation))
      if (!marks.some(([known]) => known === mark)) marks.push([mark, isolation])
  for (const mark of afterKills) marks.push([mark, isolations[0] ?? 'none'])
  assert.ok(marks.length > 20, `only ${marks.length} marks were passed`)
  const faults: string[] = []
  const chosen = new Set(
    marksToKillAt(
      marks.map(([mark]) => mark),
      onBothSides,
    ),
  )
  const suffer = async ([mark, isolation]: readonly [string, string]): Promise<void> => {
    faults.push(...(await faultsAfterCrashesAt(mark, isolation)))
  }
  await sideBySide(
    marks.filter(([mark]) => chosen.has(mark)),
    suffer,
    3,
  )
  assert.deepEqual(faults, [])
})

import { spawn, spawnSync } from 'node:child_process'
import { existsSync, globSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { availableParallelism, tmpdir } from 'node:os'
import { join } from 'node:path'
import { passedElsewhere } from '../e2e/rare-marks.ts'
import { sweepCgroups } from '../src/processes/cgroup-owners.ts'

// `npm test [-- WORD...]`: every test beside the source, or those whose path contains one of the words given.
// `npm run crash [-- WORD...]`: those that kill real processes at the failpoints of a room; they take minutes, so they stand apart. In the
// end each effect that e2e/rare-marks.ts says is killed at in one of these files must have been seen to be.
const crash = process.argv[2] === '--crash'
const words = process.argv.slice(crash ? 3 : 2)
const kills = (file: string): boolean => /\/(crash|marks)\.test\.ts$/.test(file)
const matches = (file: string): boolean => words.length === 0 || words.some((word) => file.includes(word))
const files = globSync('{src,web}/**/*.test.ts', { exclude: ['**/node_modules/**'] }).filter((file) =>
  words.length === 0 || crash ? kills(file) === crash && matches(file) : matches(file),
)
if (files.length === 0) {
  console.error(`no test file matches ${words.join(' ')}`)
  process.exit(1)
}
const isExhaustive = process.env.HEADWAY_KILLS === 'all' // set by `npm run soak -- marks`
const isPatient = crash || files.some(kills) // `npm test -- src/agent` runs those of the room that kill, too
/** How long all files may take, and one of them. */
const [limitMinutes, fileMinutes] = isExhaustive ? [120, 60] : isPatient ? [30, 12] : [10, 4]
/** One file alone, as the runner has it on two cores, would leave them idle: tests wait for processes more than they compute. */
const filesAtOnce = crash ? 2 : Math.max(3, availableParallelism() - 1)
const killsSeen = mkdtempSync(join(tmpdir(), 'headway-kills-seen-'))
const child = spawn(
  process.execPath,
  [
    '--disable-warning=ExperimentalWarning',
    '--test',
    `--test-timeout=${isPatient ? 600_000 : 120_000}`,
    `--test-concurrency=${filesAtOnce}`,
    ...files.sort(),
  ],
  { stdio: 'inherit', env: { ...process.env, ...(crash ? { HEADWAY_KILLS_SEEN: killsSeen } : {}) } },
)
const runner = child.pid ?? process.pid
// The runner waits for as long as a test's process lives, and a test's own limit is of no use where its process does not come to see it.
const looking = setInterval(() => {
  for (const one of below(runner))
    if (one.parent === runner && one.seconds > fileMinutes * 60) end([one, ...below(one.pid)], `${fileMinutes} minutes`)
}, 10_000)
const limit = setTimeout(() => {
  const left = below(runner)
  child.kill('SIGKILL')
  end(left, `${limitMinutes} minutes for all`)
}, limitMinutes * 60_000)
child.once('exit', async (status) => {
  await sweepCgroups() // of the homes whose Headway was killed
  clearTimeout(limit)
  clearInterval(looking)
  const isRoot = process.getuid?.() === 0 // some effects are those of a Headway that changes users
  const unseen = status === 0 && crash && isRoot ? namedOnly() : []
  for (const line of unseen) console.error(line)
  process.exitCode = unseen.length > 0 ? 1 : (status ?? 1)
  rmSync(killsSeen, { recursive: true, force: true })
})

/** Effects that one of these files is said to kill at, and did not. */
function namedOnly(): string[] {
  return files.flatMap((file) => {
    const seen = join(killsSeen, file.replaceAll('/', '+'))
    const marks = new Set(existsSync(seen) ? readFileSync(seen, 'utf8').split('\n') : [])
    return passedElsewhere.flatMap(({ name, killedBy }) => {
      if (killedBy !== file) return []
      const sides = [`${name}:before`, `${name}:after`]
      const isKilledAt = isExhaustive ? sides.every((mark) => marks.has(mark)) : sides.some((mark) => marks.has(mark))
      return isKilledAt ? [] : [`${file} did not kill at ${name}, which e2e/rare-marks.ts says of it`]
    })
  })
}

type Process = { readonly pid: number; readonly parent: number; readonly seconds: number; readonly command: string }

/** The processes that one started, and those that they started. */
function below(ancestor: number): Process[] {
  const { stdout } = spawnSync('ps', ['-e', '-o', 'pid=,ppid=,etimes=,args='], { encoding: 'utf8' })
  const all = stdout.split('\n').flatMap((line) => {
    const [, pid, parent, seconds, command = ''] = /^\s*(\d+)\s+(\d+)\s+(\d+)\s+(.*)$/.exec(line) ?? []
    return pid ? [{ pid: Number(pid), parent: Number(parent), seconds: Number(seconds), command }] : []
  })
  const childrenOf = (parent: number): Process[] =>
    all.filter((one) => one.parent === parent).flatMap((one) => [one, ...childrenOf(one.pid)])
  return childrenOf(ancestor)
}

/** Says of each what it is and where its threads stand, and kills it. */
function end(left: readonly Process[], after: string): void {
  console.error(`not ended after ${after}; these were left, and are killed:`)
  for (const { pid, command } of left) {
    console.error(`  ${pid}  ${command.replace(/ --[\w.-]+(=\S*)?/g, '')}\n${threadsOf(pid)}`)
    killIfThere(pid)
  }
}

/** Name, state, where in the kernel it waits, and the ticks of processor time of each thread; empty where /proc does not tell. */
function threadsOf(pid: number): string {
  try {
    const lines = readdirSync(`/proc/${pid}/task`).map((task) => {
      const at = `/proc/${pid}/task/${task}`
      const [, name = '', rest = ''] = /\((.*)\) (.*)/s.exec(readFileSync(`${at}/stat`, 'utf8')) ?? []
      const fields = rest.split(' ')
      return `    ${name} ${fields[0]} ${readFileSync(`${at}/wchan`, 'utf8')} ${Number(fields[11]) + Number(fields[12])}`
    })
    return lines.join('\n')
  } catch {
    return ''
  }
}

function killIfThere(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL')
  } catch {
    // ended meanwhile
  }
}

import { spawn, spawnSync } from 'node:child_process'
import { globSync, readdirSync, readFileSync } from 'node:fs'
import { availableParallelism } from 'node:os'

// `npm test [-- WORD...]`: every test beside the source, or those whose path contains one of the words given.
// `npm run crash [-- WORD...]`: those that kill real processes at the failpoints of a room; they take minutes, so they stand apart.
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
/** How long all files may take, and one of them. */
const [limitMinutes, fileMinutes] = isExhaustive ? [120, 60] : crash ? [30, 12] : [10, 4]
/** One file alone, as the runner has it on two cores, would leave them idle: tests wait for processes more than they compute. */
const filesAtOnce = crash ? 2 : Math.max(3, availableParallelism() - 1)
const child = spawn(
  process.execPath,
  [
    '--disable-warning=ExperimentalWarning',
    '--test',
    `--test-timeout=${crash ? 600_000 : 120_000}`,
    `--test-concurrency=${filesAtOnce}`,
    ...files.sort(),
  ],
  { stdio: 'inherit' },
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
child.once('exit', (status) => {
  clearTimeout(limit)
  clearInterval(looking)
  process.exitCode = status ?? 1
})

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

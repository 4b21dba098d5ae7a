import { spawn, spawnSync } from 'node:child_process'
import { globSync } from 'node:fs'

// `npm test [-- WORD...]`: every test beside the source, or those whose path contains one of the words given.
// `npm run crash [-- WORD...]`: those that kill real processes at the failpoints of a room; they take minutes, so they stand apart.
const crash = process.argv[2] === '--crash'
const words = process.argv.slice(crash ? 3 : 2)
const kills = (file: string): boolean => /\/(crash|marks)\.test\.ts$/.test(file)
const matches = (file: string): boolean => words.length === 0 || words.some((word) => file.includes(word))
const files = globSync('src/**/*.test.ts').filter((file) =>
  words.length === 0 || crash ? kills(file) === crash && matches(file) : matches(file),
)
if (files.length === 0) {
  console.error(`no test file matches ${words.join(' ')}`)
  process.exit(1)
}
const isExhaustive = process.env.HEADWAY_KILLS === 'all' // set by `npm run soak -- marks`
const limitMinutes = isExhaustive ? 120 : crash ? 30 : 10
const child = spawn(
  process.execPath,
  [
    '--disable-warning=ExperimentalWarning',
    '--test',
    `--test-timeout=${crash ? 600_000 : 120_000}`,
    ...(crash ? ['--test-concurrency=2'] : []),
    ...files.sort(),
  ],
  { stdio: 'inherit' },
)
// The runner waits for as long as a test's process lives: what hangs there is named and ended.
const limit = setTimeout(() => {
  const left = below(child.pid ?? process.pid)
  console.error(`not ended after ${limitMinutes} minutes; these were left, and are killed:`)
  for (const { pid, command } of left) console.error(`  ${pid}  ${command}`)
  child.kill('SIGKILL')
  for (const { pid } of left) killIfThere(pid)
}, limitMinutes * 60_000)
child.once('exit', (status) => {
  clearTimeout(limit)
  process.exitCode = status ?? 1
})

/** The processes that one started, and those that they started. */
function below(ancestor: number): { pid: number; command: string }[] {
  const { stdout } = spawnSync('ps', ['-e', '-o', 'pid=,ppid=,args='], { encoding: 'utf8' })
  const all = stdout.split('\n').flatMap((line) => {
    const [, pid, parent, command] = /^\s*(\d+)\s+(\d+)\s+(.*)$/.exec(line) ?? []
    return pid && parent && command ? [{ pid: Number(pid), parent: Number(parent), command }] : []
  })
  const childrenOf = (parent: number): typeof all =>
    all.filter((one) => one.parent === parent).flatMap((one) => [one, ...childrenOf(one.pid)])
  return childrenOf(ancestor)
}

function killIfThere(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL')
  } catch {
    // ended meanwhile
  }
}

import { spawnSync } from 'node:child_process'
import { globSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { sweepCgroups } from '../src/processes/cgroup-owners.ts'

// `npm run e2e [-- WORD...]`: the system as a user meets it. A few files at a time, as each starts a whole Headway of its own.
const words = process.argv.slice(2)
const files = globSync('e2e/**/*.test.ts').filter(
  (file) => words.length === 0 || words.some((word) => file.includes(word)),
)
if (files.length === 0) {
  console.error(`no end-to-end test matches ${words.join(' ')}`)
  process.exit(1)
}
const atOnce = Math.max(2, availableParallelism() - 1)
const options = ['--disable-warning=ExperimentalWarning', `--test-concurrency=${atOnce}`, '--test-timeout=900000']
const { status } = spawnSync(process.execPath, [...options, '--test', ...files.sort()], { stdio: 'inherit' })
await sweepCgroups() // of the homes whose Headway was killed
process.exit(status ?? 1)

import { spawnSync } from 'node:child_process'
import { globSync } from 'node:fs'

// `npm test [-- PATH...]`: every test beside the source, or those whose path contains one of the words given.
const words = process.argv.slice(2)
const files = globSync('src/**/*.test.ts').filter(
  (file) => words.length === 0 || words.some((word) => file.includes(word)),
)
if (files.length === 0) {
  console.error(`no test file matches ${words.join(' ')}`)
  process.exit(1)
}
const { status } = spawnSync(
  process.execPath,
  ['--disable-warning=ExperimentalWarning', '--test', '--test-timeout=120000', ...files.sort()],
  { stdio: 'inherit' },
)
process.exit(status ?? 1)

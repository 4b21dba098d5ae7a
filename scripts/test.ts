import { spawnSync } from 'node:child_process'
import { globSync } from 'node:fs'

// `npm test [-- WORD...]`: every test beside the source, or those whose path contains one of the words given.
// `npm run crash [-- WORD...]`: those that kill real processes at every failpoint of a room; they take minutes, so they stand apart.
const crash = process.argv[2] === '--crash'
const words = process.argv.slice(crash ? 3 : 2)
const kills = (file: string): boolean => /\/(crash|marks)\.test\.ts$/.test(file)
const files = globSync('src/**/*.test.ts').filter((file) =>
  words.length === 0 ? kills(file) === crash : words.some((word) => file.includes(word)),
)
if (files.length === 0) {
  console.error(`no test file matches ${words.join(' ')}`)
  process.exit(1)
}
const { status } = spawnSync(
  process.execPath,
  [
    '--disable-warning=ExperimentalWarning',
    '--test',
    `--test-timeout=${crash ? 600_000 : 120_000}`,
    ...(crash ? ['--test-concurrency=1'] : []),
    ...files.sort(),
  ],
  { stdio: 'inherit' },
)
process.exit(status ?? 1)

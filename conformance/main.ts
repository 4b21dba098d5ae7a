import { spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'

// `npm run conformance [-- WORD...]`: every case of conformance/cases, or those whose file or name contains one of the words.
const suite = fileURLToPath(new URL('suite.ts', import.meta.url))
const child = spawn(process.execPath, ['--disable-warning=ExperimentalWarning', '--test-reporter=spec', suite], {
  stdio: 'inherit',
  env: { ...process.env, HEADWAY_CONFORMANCE: JSON.stringify(process.argv.slice(2)) },
})
child.once('exit', (status) => {
  process.exitCode = status ?? 1
})

import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { globSync } from 'node:fs'
import { join } from 'node:path'

/*
 * Run once after an installation: has Node.js compile every source file, so that its compile cache holds them all. Whoever starts
 * without the cache carries the compiler of TypeScript in memory (some 15 MB in each process) until he ends. Meanwhile the web is built.
 */
const root = join(import.meta.dirname, '..')
const web = spawn(process.execPath, [join(root, 'scripts/web.ts')], { cwd: root, stdio: 'ignore' })
const isBuilt = once(web, 'exit').catch(() => undefined) // without Vite there is none; a page says how to build it
const sources = globSync('src/**/*.ts', { cwd: root, exclude: (name) => /(\.test|testing)\.ts$/.test(name) })
/** What acts when it is loaded, rather than when it is called: it would end this process with itself. */
const others = [
  'src/agent/listen.ts',
  'src/alone/read.ts',
  'src/build/runners/remote/watchdog.ts',
  'src/store/sqlite-worker.ts',
]
const programs = sources.filter((name) => name.endsWith('/main.ts') || others.includes(name))
// Each of these ends at once: it says its version, or misses what only Headway gives it.
for (const program of programs)
  spawnSync(process.execPath, ['--disable-warning=ExperimentalWarning', join(root, program), '--version'], {
    env: { PATH: process.env.PATH, NODE_COMPILE_CACHE: process.env.NODE_COMPILE_CACHE },
    stdio: 'ignore',
    timeout: 10_000,
    cwd: '/',
  })
for (const source of sources.filter((name) => !programs.includes(name)).sort()) await import(join(root, source))
await isBuilt
process.exit(0)

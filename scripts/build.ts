import { spawnSync } from 'node:child_process'
import { cpSync, globSync, rmSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

// `npm run build`: emits JavaScript to dist/ and the web to web/dist/, because Node strips no types from files under node_modules, where an installed
// package lives. `npm pack` after it makes a package that works anywhere.
const root = dirname(dirname(fileURLToPath(import.meta.url)))
const dist = join(root, 'dist')
rmSync(dist, { recursive: true, force: true })

const tsc = spawnSync(
  process.execPath,
  [join(root, 'node_modules/typescript-7/bin/tsc'), '--project', 'tsconfig.build.json'],
  { cwd: root, stdio: 'inherit' },
)
if (tsc.status !== 0) process.exit(tsc.status ?? 1)

// What the source reads beside itself: hooks, SQL, pages.
for (const file of globSync('src/**/*', { cwd: root, withFileTypes: true })) {
  if (!file.isFile() || /\.ts$/.test(file.name)) continue
  const from = join(file.parentPath, file.name)
  cpSync(from, join(dist, from.slice(join(root, 'src').length)))
}
await import('./web.ts')
console.log('built dist/ and web/dist/; `npm pack` makes the package')

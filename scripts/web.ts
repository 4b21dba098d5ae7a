import { existsSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { brotliCompressSync, constants, gzipSync } from 'node:zlib'
import { build } from 'vite'

/*
 * Builds the web into web/dist and lays a compressed copy beside each file, so that the server never compresses while somebody waits.
 * It is made aside and then put in its place, so that a server which runs meanwhile has the old one or the new one, never half of it.
 */
const root = join(import.meta.dirname, '..')
const dist = join(root, 'web/dist')
const made = join(root, 'node_modules', `.web-${process.pid}`)
const replaced = `${made}-replaced`

try {
  await build({ configFile: join(root, 'web/vite.config.ts'), build: { outDir: made } })
  for (const entry of readdirSync(made, { recursive: true, withFileTypes: true })) {
    const file = join(entry.parentPath, entry.name)
    if (!entry.isFile() || !/\.(js|css|html|svg|json)$/.test(entry.name)) continue
    const content = readFileSync(file)
    keep(`${file}.br`, brotliCompressSync(content, { params: { [constants.BROTLI_PARAM_QUALITY]: 11 } }), content)
    keep(`${file}.gz`, gzipSync(content, { level: 9 }), content)
  }
  if (existsSync(dist)) renameSync(dist, replaced)
  renameSync(made, dist)
} finally {
  rmSync(made, { recursive: true, force: true })
  rmSync(replaced, { recursive: true, force: true })
}

/** A copy that saves nothing would only be one more file. */
function keep(file: string, compressed: Uint8Array, plain: Uint8Array): void {
  if (compressed.length < plain.length) writeFileSync(file, compressed)
}

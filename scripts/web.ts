import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { brotliCompressSync, constants, gzipSync } from 'node:zlib'
import { build } from 'vite'

/*
 * Builds the web into web/dist and lays a compressed copy beside each file, so that the server never compresses while somebody waits.
 * What is there already is only taken away once the new one could be built: Vite writes at the very end.
 */
const web = join(import.meta.dirname, '../web')
const dist = join(web, 'dist')
await build({ configFile: join(web, 'vite.config.ts') })

for (const entry of readdirSync(dist, { recursive: true, withFileTypes: true })) {
  const file = join(entry.parentPath, entry.name)
  if (!entry.isFile() || !/\.(js|css|html|svg|json)$/.test(entry.name)) continue
  const content = readFileSync(file)
  keep(`${file}.br`, brotliCompressSync(content, { params: { [constants.BROTLI_PARAM_QUALITY]: 11 } }), content)
  keep(`${file}.gz`, gzipSync(content, { level: 9 }), content)
}

/** A copy that saves nothing would only be one more file. */
function keep(file: string, compressed: Uint8Array, plain: Uint8Array): void {
  if (compressed.length < plain.length) writeFileSync(file, compressed)
  else rmSync(file, { force: true })
}

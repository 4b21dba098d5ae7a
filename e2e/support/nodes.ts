import { chmodSync, mkdirSync, mkdtempSync, realpathSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { homeAt, prepareHome } from '../../src/home.ts'

/** A home whose tool cache has Node.js in these versions, in name: each answers with its version, and is the Node.js of this test. */
export const homeWithNodes = (...versions: readonly string[]): string => {
  const directory = mkdtempSync(join(tmpdir(), 'headway-'))
  chmodSync(directory, 0o711)
  const home = homeAt(directory, {})
  prepareHome(home)
  for (const version of versions) {
    const bin = join(home.caches, 'tools', `node-${version}`, 'bin')
    mkdirSync(bin, { recursive: true })
    chmodSync(join(home.caches, 'tools'), 0o755)
    writeFileSync(join(bin, 'node'), standIn(version))
    chmodSync(join(bin, 'node'), 0o755)
  }
  return realpathSync(directory)
}

const standIn = (version: string): string => `#!/bin/sh
if [ "$1" = --version ]; then echo v${version}; exit 0; fi
NODE_STAND_IN=${version}; export NODE_STAND_IN
PATH=\${PATH#*:}; export PATH
exec node "$@"
`

import { execFileSync } from 'node:child_process'
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { findBinaries } from '../operate/binaries.ts'
import { given, homeIn, namesIn, playScene } from './scene.testing.ts'

await playScene({
  'PostgreSQL is copied to where it can run unprivileged': async (directory) => {
    const home = homeIn(directory)
    await given(directory, () => mkdirSync(join(home.work, '.postgres-4000000-half'))) // of a process that is gone
    const { directory: bin, major } = await findBinaries(home, { systemRoot: '/nonexistent' })
    const said = execFileSync(join(bin, 'postgres'), ['--version']).toString()
    return [said.includes(` ${major}.`), namesIn(home.work).filter((name) => name.includes('postgres'))]
  },
})

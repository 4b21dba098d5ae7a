import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { createLayout } from '../package/layout.ts'
import { createShelf } from '../package/shelf.ts'
import { run } from '../processes/run.ts'
import { given, namesIn, playScene } from './scene.testing.ts'

await playScene({
  'images half unpacked': async (directory) => {
    const root = join(directory, 'images')
    await given(directory, () => mkdirSync(join(root, 'layers', '.1-1.tmp'), { recursive: true }))
    await createShelf(root, createLayout(join(directory, 'layout')), run).open()
    return namesIn(join(root, 'layers'))
  },
})

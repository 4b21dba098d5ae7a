import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { openLog } from '../log.ts'
import { given, homeIn, namesIn, playScene } from './scene.testing.ts'

await playScene({
  'the server log is too long': async (directory) => {
    const home = homeIn(directory)
    await given(directory, () => writeFileSync(join(home.root, 'server.log'), 'x'.repeat(11 * 1024 * 1024)))
    const log = openLog(home)
    log.info('here')
    log.close()
    return namesIn(home.root).filter((name) => name.startsWith('server.log'))
  },
})

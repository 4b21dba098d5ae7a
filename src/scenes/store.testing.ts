import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { dumpPostgres } from '../store/postgres-backup.ts'
import { copyDatabase } from '../store/sqlite-backup.ts'
import { namesIn, playScene } from './scene.testing.ts'

await playScene({
  'a copy of what is no database': async (directory) => {
    const file = join(directory, 'rubbish.db')
    writeFileSync(file, 'rubbish '.repeat(1000))
    const failed = await copyDatabase(file, join(directory, 'copy.db')).then(
      () => false,
      () => true,
    )
    return [failed, namesIn(directory).filter((name) => name.startsWith('copy'))]
  },

  'a store in PostgreSQL is dumped': async (directory) => {
    const url = process.env.HEADWAY_SCENE_POSTGRES ?? ''
    await dumpPostgres(url, join(directory, 'whole.dump'))
    const failed = await dumpPostgres(url.replace('/test1', '/nowhere'), join(directory, 'nothing.dump')).then(
      () => false,
      () => true,
    )
    return [failed, namesIn(directory).filter((name) => name.includes('.dump'))]
  },
})

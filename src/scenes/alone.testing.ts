import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { startAlone, stopAlone } from '../alone/command.ts'
import { systemClock as clock } from '../clock.ts'
import { noSettings } from '../edge/settings.ts'
import { homeAt } from '../home.ts'
import { given, namesIn, playScene } from './scene.testing.ts'

await playScene({
  'an edge by itself is started, taken over and stopped': async (directory) => {
    const home = homeAt(join(directory, 'alone'), {})
    const file = join(directory, 'routes.yaml')
    await given(directory, () => writeFileSync(file, 'routes: [{ hosts: [shop.localhost], to: 1 }]\n'))
    const where = { host: '127.0.0.1', port: 0, metricsPort: null, workers: '1', settings: noSettings }
    const start = () => startAlone({ ...where, home, clock, file, say: () => {} })
    const first = await start()
    const second = await start()
    const answer = await fetch(`http://127.0.0.1:${second.port}/`)
    await answer.text()
    await stopAlone(home, clock)
    return [
      second.tookOver,
      second.port === first.port,
      answer.status,
      namesIn(home.sockets).filter((name) => name.startsWith('edge-')),
    ]
  },
})

import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { systemClock as clock } from '../clock.ts'
import { openAccessLog, usualLogLimits } from '../edge/access-log.ts'
import { forgetLastWords, lastWordsIn, leaveLastWords } from '../edge/last-words.ts'
import { ticketKeys } from '../edge/tls/tickets.ts'
import { given, homeIn, namesIn, playScene } from './scene.testing.ts'

await playScene({
  'an edge ends, and what it had counted is forgotten in time': async (directory) => {
    const epoch = '0af76519-16cd-43dd-8448-eb211c80319c'
    await given(directory, () => {
      leaveLastWords(directory, { counters: { epoch, minutes: [] }, samples: { epoch, at: 1, services: [] } })
    })
    for (const { file } of lastWordsIn(directory)) forgetLastWords(file)
    return namesIn(directory).filter((name) => name.startsWith('edge-'))
  },

  'an edge keeps the secret of its tickets, and goes on where it cannot': async (directory) => {
    const keys = ticketKeys(homeIn(directory).agent, clock.now())
    const again = ticketKeys(homeIn(directory).agent, clock.now())
    const nowhere = ticketKeys(join(directory, 'missing'), clock.now())
    const kept = namesIn(homeIn(directory).agent).filter((name) => name.startsWith('edge-ticket'))
    return [keys.equals(again), kept, nowhere.length]
  },

  'an access log grows too long': async (directory) => {
    const file = join(directory, 'access.log')
    const log = openAccessLog(file, () => {}, { ...usualLogLimits, fileBytes: 10, keptFiles: 2, flushMs: 1 })
    const about = { requestId: '1', client: '::1', host: 'a', method: 'GET', status: 200, bytes: 0, durationMs: 1 }
    const nobody = { service: null, version: null, instance: null, failed: false, said: null }
    const line = { ...about, ...nobody, time: '', path: '/' }
    while (![file, `${file}.2`].every(existsSync)) {
      log.write(line)
      await clock.sleep(2)
    }
    log.close()
    while (!existsSync(file)) await clock.sleep(2) // the last rotation goes on
    return namesIn(directory).filter((name) => /^access\.log(\.[2-9])?$/.test(name)) // .1 may be on its way
  },
})

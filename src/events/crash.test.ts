import assert from 'node:assert/strict'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, readdirSync, rmSync, utimesSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { systemClock } from '../clock.ts'
import { killedAt, killsInARow, liveThrough, marksToKillAt } from '../kills.testing.ts'
import { learnFacts } from '../learn/facts.ts'
import { openLedger } from '../ledger/open.ts'
import { openSqliteStore } from '../store/sqlite.ts'
import { eventsFacts } from './facts.ts'
import type { EventsOwnTables } from './tables.ts'

const names = [...['keep-secret', 'forget-secret'], ...['pass-by', 'move-on', 'wait', 'give-up', 'post', 'bury']]
const marks = [...names.map((name) => `events.${name}`), 'shelf.keep', 'shelf.forget', 'ledger.append'].flatMap(
  (name) => [`${name}:before`, `${name}:after`],
)

const program = join(import.meta.dirname, 'crash-testing.ts')

describe('killed while events come in and go out and started again, each is there once, and everybody is told', () => {
  for (const mark of marksToKillAt(marks, ['ledger.append']))
    test(mark, async () => {
      const directory = mkdtempSync(join(tmpdir(), 'headway-crash-'))
      const told: string[] = []
      // The first event is put off, then refused for good, and taken when it is sent again from the dead letters.
      const isAt = (...names: string[]): boolean => names.some((name) => mark.startsWith(name))
      const putOff = isAt('events.wait', 'events.post') ? 1 + killsInARow : 1
      const refused = isAt('events.give-up:before') ? 1 + killsInARow : isAt('events.give-up:after') ? killsInARow : 1
      const answers = [...Array<number>(putOff).fill(503), ...Array<number>(refused).fill(410)]
      const server = createServer((request, response) => {
        told.push(String(request.headers['webhook-id']))
        response.statusCode = answers.shift() ?? 200
        request.resume()
        response.end()
      })
      try {
        const kills = join(directory, 'kills')
        mkdirSync(kills)
        const deployment = { type: 'deployment', environment: 'production', outcome: 'succeeded', revision: 'v1' }
        const records = ['one', 'two'].map((id) => ({ ...deployment, id, finishedAt: 1_767_000_000_000 }))
        writeFileSync(join(directory, 'told.json'), JSON.stringify(records))
        const [received, old] = [join(directory, 'events'), join(directory, 'events', 'old.gz')]
        mkdirSync(received)
        writeFileSync(old, 'what was received long ago')
        utimesSync(old, 0, 0)
        server.listen(0, '127.0.0.1')
        await once(server, 'listening')
        const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`
        const life = await liveThrough([program, directory, url], killedAt(mark, kills))
        assert.ok(life.kills >= (mark.endsWith(':before') ? killsInARow : 1), `killed ${life.kills} times`)
        const store = await openSqliteStore(join(directory, 'headway.db'))
        const definitions = [...learnFacts, ...eventsFacts]
        const ledger = await openLedger({ store, definitions, clock: systemClock })
        const facts = await ledger.read({ limit: 100, types: ['delivery.deployed', 'event.received'] })
        const tables = store.tables<EventsOwnTables>()
        const dead = await tables.selectFrom('events_dead').selectAll().execute()
        const secrets = await tables.selectFrom('events_secrets').selectAll().execute()
        await store.close()
        assert.deepEqual(
          facts.map(({ type }) => type),
          ['delivery.deployed', 'delivery.deployed', 'event.received'],
        )
        assert.deepEqual(dead, [])
        assert.deepEqual(answers, [], 'it was put off and refused')
        assert.equal(readdirSync(received).length, 1, 'what was told is kept, what is old is not')
        assert.equal(secrets.length, 2, 'of the source and of the subscription, and none that nothing names')
        assert.equal(new Set(told).size, 2, 'a repetition can be told by its id')
      } finally {
        server.closeAllConnections()
        server.close()
        rmSync(directory, { recursive: true, force: true })
      }
    })
})

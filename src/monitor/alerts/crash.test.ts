import assert from 'node:assert/strict'
import { once } from 'node:events'
import { existsSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { systemClock } from '../../clock.ts'
import { killedAt, liveThrough, marksToKillAt } from '../../kills.testing.ts'
import { openLedger } from '../../ledger/open.ts'
import { openSqliteStore } from '../../store/sqlite.ts'
import { alertFacts } from './facts.ts'

const marks = ['monitor.notify-webhook', 'monitor.notify-command', 'ledger.append'].flatMap((name) => [
  `${name}:before`,
  `${name}:after`,
])

const program = join(import.meta.dirname, 'crash-testing.ts')

describe('killed while it tells of an alert and started again, everybody is told, and it fired once', () => {
  for (const mark of marksToKillAt(marks, ['ledger.append']))
    test(mark, async () => {
      const directory = mkdtempSync(join(tmpdir(), 'headway-crash-'))
      const told: string[] = []
      const server = createServer((request, response) => {
        told.push(String(request.headers['webhook-id']))
        request.resume()
        response.end()
      })
      try {
        const kills = join(directory, 'kills')
        mkdirSync(kills)
        server.listen(0, '127.0.0.1')
        await once(server, 'listening')
        const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`
        const life = await liveThrough([program, directory, url], killedAt(mark, kills))
        assert.ok(life.kills >= 1)
        const store = await openSqliteStore(join(directory, 'headway.db'))
        const ledger = await openLedger({ store, definitions: alertFacts, clock: systemClock })
        const kinds = (await ledger.read({ limit: 100 }))
          .map(({ type }) => type)
          .filter((type) => type.startsWith('alert.'))
        await store.close()
        assert.deepEqual(kinds, ['alert.fired', 'alert.acted', 'alert.acted'])
        assert.ok(existsSync(join(directory, 'told')))
        assert.ok(told.length >= 1)
        assert.equal(new Set(told).size, 1, 'a repetition can be told by its id')
      } finally {
        server.closeAllConnections()
        server.close()
        rmSync(directory, { recursive: true, force: true })
      }
    })
})

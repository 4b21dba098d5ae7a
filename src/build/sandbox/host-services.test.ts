import assert from 'node:assert/strict'
import { test } from 'node:test'
import pg from 'pg'
import { isRoot } from '../../home.ts'
import { findBinaries } from '../../operate/binaries.ts'
import { findBubblewrap } from './bubblewrap.ts'
import { isPostgres } from './host-services.ts'
import type { Isolation } from './sandbox.ts'
import { openTestSandbox, plainWish } from './testing.ts'

const kinds: readonly Isolation[] = [
  ...(findBubblewrap() ? (['bubblewrap'] as const) : []),
  isRoot() ? 'unprivileged user' : 'none',
]
const noEngine = { DOCKER_HOST: 'unix:///nonexistent' }
const limits = { memoryBytes: 512 * 1024 ** 2, cpus: null, processes: 200, diskBytes: 1024 ** 3 }

for (const wanted of kinds)
  test(`where there is no engine, a postgres service is this machine's own, in isolation by ${wanted}`, async () => {
    await using sandbox = await openTestSandbox({ wanted, environment: noEngine, limits })
    const { home } = sandbox
    await using postgres = await openTestSandbox({
      ...{ wanted, environment: noEngine, limits },
      findPostgres: () => findBinaries(home),
    })
    const env = { POSTGRES_USER: 'shop', POSTGRES_PASSWORD: 'p@ss word', POSTGRES_DB: 'orders' }
    const service = { ...plainWish, id: 'db', image: 'postgres:16-alpine', env, ports: ['5432'] }
    await assert.rejects(postgres.open('open', { services: [{ ...service, env: {} }] }), /POSTGRES_PASSWORD is not set/)
    const job = await postgres.open('job', { services: [service] })
    const port = Number(JSON.stringify(job.cell.contexts.services).match(/"5432":"(\d+)"/)?.[1])
    const connect = async (password: string): Promise<unknown[]> => {
      const client = new pg.Client({ host: '127.0.0.1', port, user: 'shop', password, database: 'orders' })
      await client.connect()
      try {
        return (await client.query('SELECT current_user AS me, current_database() AS here')).rows
      } finally {
        await client.end()
      }
    }
    try {
      assert.deepEqual(await connect('p@ss word'), [{ me: 'shop', here: 'orders' }])
      await assert.rejects(connect('wrong'), /password authentication failed/)
      assert.match(
        postgres.said.join('\n'),
        /service db: there is no Docker Engine; PostgreSQL \d+ of this machine serves/,
      )
    } finally {
      await job[Symbol.asyncDispose]()
    }
    await assert.rejects(connect('p@ss word'), /ECONNREFUSED/)
  })

test('only the official image is served so', () => {
  const images = [
    'postgres',
    'postgres:16',
    'docker.io/library/postgres:17-alpine',
    'postgis/postgis:16',
    'mine/postgres',
    'redis',
  ]
  assert.deepEqual(
    images.map((image) => isPostgres({ ...plainWish, id: 'db', image })),
    [true, true, true, false, false, false],
  )
})

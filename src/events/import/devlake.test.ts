import assert from 'node:assert/strict'
import { test } from 'node:test'
import { getHeapStatistics, setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { defaultProject, ServiceName } from '../../names.ts'
import type { OutsideRecordInput } from '../records.ts'
import { addSource, openTestEvents, type TestEvents } from '../testing.ts'
import { readDevLake } from './devlake.ts'
import { oneAhead, parcelsOf } from './parcels.ts'
import { filled, openSpool } from './spool.ts'

const read = async (files: Readonly<Record<string, string>>): Promise<OutsideRecordInput[]> => {
  using history = await readDevLake(
    Object.entries(files).map(([name, text]) => ({ name, content: [Buffer.from(text)] })),
  )
  const records = [...history.records()]
  assert.equal(history.total, records.filter(({ type }) => type !== 'carried').length)
  return records
}

const tables = {
  'deployments.csv': `id,cicd_deployment_id,name,result,status,environment,created_date,started_date,finished_date,commit_sha,repo_url
1,d1,"Deploy, ""all""",SUCCESS,DONE,PRODUCTION,2026-06-01 09:00:00,2026-06-01 09:00:00,2026-06-01 09:05:00,aaa,https://git.example.test/octo/shop
3,d2,Deploy,ABORT,DONE,PRODUCTION,2026-06-01 09:00:00,,2026-06-01 09:06:00,ccc,https://git.example.test/octo/web
4,d3,Deploy,FAILURE,DONE,,2026-06-01 09:00:00,NULL,2026-06-01 09:07:00,,
2,d1,Deploy,SUCCESS,DONE,PRODUCTION,2026-06-01 09:00:00,2026-06-01 09:00:00,2026-06-01 09:05:00,bbb,https://git.example.test/octo/web
5,d4,Deploy,SUCCESS,RUNNING,,2026-06-01 09:00:00,,0001-01-01 00:00:00,ddd,`,
  'commits.csv':
    'sha,message,committed_date\na1,"two\nlines",2025-01-01 00:00:00\na1,"two\nlines",2026-06-01T08:00:00+02:00\nb1,one,2026-06-01 07:00:00',
  'diffs.csv': 'new_commit_sha,old_commit_sha,commit_sha\naaa,zzz,a1\nbbb,yyy,b1\nbbb,yyy,b0\nbbb,xxx,',
  'incidents.csv':
    'id,title,status,created_date,resolution_date\ni1,Down,DONE,2026-06-01T10:00:00Z,2026-06-01T10:30:00Z',
  'pulls.csv':
    'id,pull_request_key,status,created_date,merged_date,closed_date,base_repo_id,additions,deletions,merge_commit_sha\np,7,MERGED,2026-06-01T06:00:00Z,2026-06-01T08:30:00Z,2026-06-01T08:30:00Z,octo/shop,3,4,aaa',
}

test("DevLake's tables, in any order, make deployments of several repositories with their commits, pull requests and incidents", async () => {
  const at = (text: string): number => Date.parse(text)
  const change = { type: 'change', id: '7', repository: 'octo/shop', lines: 7 }
  const incident = { type: 'incident', id: 'i1', title: 'Down' }
  const expected = [
    {
      ...{ type: 'deployment', id: 'd1', repository: 'https://git.example.test/octo/shop', outcome: 'succeeded' },
      ...{ finishedAt: at('2026-06-01T09:05:00Z'), startedAt: at('2026-06-01T09:00:00Z'), environment: 'PRODUCTION' },
      ...{ revision: 'aaa', unit: 'Deploy, "all"' },
      commits: [
        { commit: 'a1', at: at('2026-06-01T06:00:00Z'), repository: 'https://git.example.test/octo/shop' },
        { commit: 'b1', at: at('2026-06-01T07:00:00Z'), repository: 'https://git.example.test/octo/web' },
        { commit: 'b0', at: null, repository: 'https://git.example.test/octo/web' },
      ],
    },
    {
      ...{ type: 'deployment', id: 'd3', repository: 'unknown', outcome: 'failed', startedAt: null },
      ...{ finishedAt: at('2026-06-01T09:07:00Z'), environment: 'production', revision: 'd3', unit: 'Deploy' },
    },
    { ...change, state: 'opened', at: at('2026-06-01T06:00:00Z') },
    { ...change, state: 'merged', at: at('2026-06-01T08:30:00Z'), merged: 'aaa' },
    { ...incident, state: 'opened', at: at('2026-06-01T10:00:00Z') },
    { ...incident, state: 'resolved', at: at('2026-06-01T10:30:00Z') },
  ]
  assert.deepEqual(await read(tables), expected)
  assert.deepEqual(await read(Object.fromEntries(Object.entries(tables).reverse())), expected)
})

test('what a table says that cannot be is refused with its line, before anything of it is told', async () => {
  const refusal = (name: string, text: string) =>
    read({ ...tables, [name]: text }).then(
      () => null,
      ({ detail, where, next }) => [detail, where.file, where.line, typeof next],
    )
  const deployments = 'id,result,environment,finished_date,commit_sha'
  const pulls = 'pull_request_key,created_date,additions,deletions'
  const said = [
    [
      'other.csv',
      'a,b\n1,2',
      ['other.csv has the columns of no table that is known', 'other.csv', undefined, 'string'],
    ],
    [
      'commits.csv',
      'sha,message,committed_date\na1,"two\nlines",2026-06-01\nb1,,yesterday',
      ['committed_date is no time: 2026-06-01', 'commits.csv', 2, 'string'],
    ],
    [
      'more.csv',
      `${deployments}\nd1,SUCCESS,,2026-06-01 09:00:00,a\n,SUCCESS,,2026-06-01 09:00:00,a`,
      ['the deployment has neither a cicd_deployment_id nor an id', 'more.csv', 3, 'string'],
    ],
    [
      'more.csv',
      `${deployments}\nd1,SUCCESS,,2026-06-01 09:00:00,${'a'.repeat(201)}`,
      [`commit_sha has more than 200 characters: ${'a'.repeat(60)}…`, 'more.csv', 2, 'string'],
    ],
    [
      'pulls.csv',
      `${pulls}\n7,2026-06-01T06:00:00Z,3,many`,
      ['deletions is no number of lines: many', 'pulls.csv', 2, 'string'],
    ],
  ] as const
  for (const [name, text, expected] of said) assert.deepEqual(await refusal(name, text), expected)
})

const [rowsAtOnce, rowsBetweenLooks] = [500, 4_000]

/** Rows of a deployment with two commits each, in the three tables; `seen` is called now and then. */
const longTables = (deployments: number, seen: () => void) => {
  const table = function* (head: string, rowOf: (place: number) => string): Generator<Uint8Array> {
    yield Buffer.from(`${head}\n`)
    for (let place = 0; place < deployments; place += rowsAtOnce) {
      const rows = Array.from(
        { length: Math.min(rowsAtOnce, deployments - place) },
        (_, at) => `${rowOf(place + at)}\n`,
      )
      yield Buffer.from(rows.join(''))
      if (place % rowsBetweenLooks === 0) seen()
    }
  }
  const sha = (place: number, at: number): string => `${place}x${at}`.padEnd(40, '0')
  return [
    {
      name: 'deployments.csv',
      content: table(
        'id,result,finished_date,commit_sha',
        (place) => `d${place},SUCCESS,2026-06-01 09:05:00,${sha(place, 1)}`,
      ),
    },
    {
      name: 'diffs.csv',
      content: table(
        'new_commit_sha,old_commit_sha,commit_sha',
        (place) => `${sha(place, 1)},,${sha(place, 0)}\n${sha(place, 1)},,${sha(place, 1)}`,
      ),
    },
    {
      name: 'commits.csv',
      content: table(
        'sha,committed_date',
        (place) => `${sha(place, 0)},2026-06-01 08:00:00\n${sha(place, 1)},2026-06-01 08:30:00`,
      ),
    },
  ]
}

test('tables of any length are in memory neither while they are read nor while they are told', async () => {
  setFlagsFromString('--expose-gc')
  const collect: () => void = runInNewContext('gc')
  const held: number[] = []
  const look = (): void => {
    collect()
    held.push(getHeapStatistics().used_heap_size)
  }
  const deployments = 16_000 // some 8 MB as they are written, and several times as much in memory
  using history = await readDevLake(longTables(deployments, look))
  let [told, commits] = [0, 0]
  for (const record of history.records()) {
    told += 1
    commits += record.type === 'deployment' ? (record.commits?.length ?? 0) : 0
    if (told % rowsBetweenLooks === 0) look()
  }
  assert.deepEqual([told, commits, history.total], [deployments, 2 * deployments, deployments])
  const grown = Math.max(...held) - (held[0] ?? 0)
  assert.ok(grown < 3_000_000, `${grown} bytes more than after the first rows`)
})

test('a deployment of more commits than a record can hold is told in several, none of them lost, none held', async () => {
  const commits = Array.from({ length: 9_001 }, (_, place) => `n,o,c${place}`)
  const records = await read({
    'deployments.csv': 'id,result,finished_date,commit_sha,repo_url\nd1,SUCCESS,2026-06-01 09:05:00,n,octo/shop',
    'diffs.csv': `new_commit_sha,old_commit_sha,commit_sha\n${commits.join('\n')}`,
  })
  const told = records.map((record) => ('commits' in record ? (record.commits ?? []) : []))
  assert.deepEqual(
    [records.map(({ type }) => type), told.map(({ length }) => length)],
    [
      ['deployment', 'carried', 'carried'],
      [4_000, 4_000, 1_001],
    ],
  )
  assert.deepEqual(
    told.flat(),
    commits.map((_, place) => ({ repository: 'octo/shop', commit: `c${place}`, at: null })),
  )
})

test('a disk without room is told as what it is', async () => {
  const spool = openSpool()
  spool.exec('CREATE TABLE texts (text TEXT); PRAGMA max_page_count = 20')
  const add = spool.prepare('INSERT INTO texts VALUES (?)')
  const fill = async (): Promise<void> => {
    for (;;) add.run('x'.repeat(4_000))
  }
  await assert.rejects(filled(spool, fill), /has no room for what is imported; nothing was/)
  assert.throws(() => spool.exec('SELECT 1'), /not open/)
})

const shop = ServiceName.parse('shop')

const take = async ({ events }: TestEvents, records: Iterable<OutsideRecordInput>): Promise<number> => {
  let facts = 0
  for await (const parcel of parcelsOf(records)) {
    const headers = new Headers({ 'content-type': 'application/json' })
    const body = Buffer.from(JSON.stringify(parcel))
    facts += (await events.tell(defaultProject, 'devlake', { headers, body }, 'user:ada')).facts
  }
  return facts
}

test('an import that was interrupted is taken up by doing it again: what was taken is not taken twice', async () => {
  await using opened = await openTestEvents()
  await addSource(opened, 'plain', { service: shop })
  using history = await readDevLake(longTables(50, () => {}))
  const about = (records: Iterable<OutsideRecordInput>) =>
    [...records].map((record) => ({ ...record, service: shop })) as OutsideRecordInput[]
  const records = about(history.records())
  assert.equal(await take(opened, records.slice(0, 20)), 20)
  assert.equal(await take(opened, records), 30)
  assert.equal(await take(opened, about(history.records())), 0)
  assert.equal((await opened.told(/^delivery\.deployed/)).length, 50)
})

test('while one parcel is on its way the next is made, and no third', async () => {
  let made = 0
  let isClosed = false
  async function* parcels(): AsyncGenerator<number> {
    try {
      for (;;) {
        made += 1
        yield made
      }
    } finally {
      isClosed = true
    }
  }
  for await (const parcel of oneAhead(parcels())) {
    await new Promise(setImmediate)
    assert.equal(made, parcel + 1)
    if (parcel === 50) break
  }
  assert.ok(isClosed)
  async function* broken(): AsyncGenerator<number> {
    yield 1
    throw new Error('no second')
  }
  const taken: number[] = []
  await assert.rejects(async () => {
    for await (const parcel of oneAhead(broken())) taken.push(parcel)
  }, /no second/)
  assert.deepEqual(taken, [1])
})

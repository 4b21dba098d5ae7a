import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { test } from 'node:test'
import { destructiveChanges } from './changed-files.ts'
import { destructiveStatements } from './destructive.ts'

const found = (sql: string) => destructiveStatements(sql).map(({ line, statement }) => [line, statement])

test('statements that a running version may not survive are found with their lines', () => {
  const sql = [
    'create table orders (id int primary key, note text not null);',
    'DROP TABLE carts;',
    'alter table orders',
    '  drop column if exists note, add column state text;',
    'ALTER TABLE "Orders" DROP legacy;',
    'alter table orders rename column total to amount;',
    'ALTER TABLE orders RENAME TO purchases;',
    'alter table orders alter column state set not null;',
    'alter table orders alter state type varchar(20);',
    'alter table orders add column region text not null;',
    'truncate audit;',
    'delete from sessions;',
    'update orders set state = 1',
  ].join('\n')
  assert.deepEqual(found(sql), [
    [2, 'DROP TABLE'],
    [3, 'DROP COLUMN'],
    [5, 'DROP COLUMN'],
    [6, 'RENAME'],
    [7, 'RENAME'],
    [8, 'SET NOT NULL'],
    [9, 'ALTER COLUMN ... TYPE'],
    [10, 'ADD COLUMN ... NOT NULL'],
    [11, 'TRUNCATE'],
    [12, 'DELETE without WHERE'],
    [13, 'UPDATE without WHERE'],
  ])
})

test('what only looks like one is none: comments, text, function bodies, names, and what takes nothing away', () => {
  const sql = `
    -- drop table carts;
    /* truncate audit; */
    insert into notes values ('drop table carts; it''s fine');
    create function f() returns void as $body$ begin delete from carts; end $body$ language plpgsql;
    create index on "drop table" (id);
    alter table orders drop constraint positive, alter column state drop default, alter note drop not null;
    alter table orders add column region text not null default 'eu', add constraint positive check (total > 0);
    alter table orders rename constraint a to b;
    delete from sessions where expires < now();
    update orders set state = 1 where state is null;
    drop index orders_state;
    -- migrate:down
    drop table orders;`
  assert.deepEqual(found(sql), [])
})

test('text that never ends is read in no time', () => {
  for (const begin of ["'", '"', '/*', '$a$', 'alter table x ', "alter table x drop ' "]) {
    const before = process.cpuUsage() // whatever else the machine does
    destructiveStatements(begin + 'a '.repeat(200_000))
    assert.ok(process.cpuUsage(before).user < 2_000_000, begin)
  }
})

test('only what the running release has not, or has otherwise, is looked at, and never what is for the way back', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'headway-sql-'))
  try {
    const write = (path: string, text: string): void => {
      mkdirSync(dirname(join(directory, path)), { recursive: true })
      writeFileSync(join(directory, path), text)
    }
    write('old/migrations/1.sql', 'drop table a;')
    write('old/migrations/2.sql', 'select 1;')
    write('new/migrations/1.sql', 'drop table a;')
    write('new/migrations/2.sql', 'select 1;\ndrop table b;')
    write('new/migrations/3.sql', 'truncate c;')
    write('new/migrations/3.down.sql', 'drop table c;')
    write('new/node_modules/tool/4.sql', 'drop table d;')
    const changes = await destructiveChanges(join(directory, 'new'), join(directory, 'old'))
    assert.deepEqual(changes.map(({ file, line, statement }) => [file, line, statement]).sort(), [
      ['migrations/2.sql', 2, 'DROP TABLE'],
      ['migrations/3.sql', 1, 'TRUNCATE'],
    ])
  } finally {
    rmSync(directory, { recursive: true })
  }
})

import type { CreateTableBuilder, Kysely } from 'kysely'

type Column = 'text' | 'bigint' | 'integer' | 'bytea'
/** A `?` at the end of a kind: may be null. Bytes are called `bytea` in both stores. */
export type Columns = Readonly<Record<string, Column | `${Column}?`>>

/** Both stores know these kinds of columns. */
export const createTable = async <Tables>(
  db: Kysely<Tables>,
  name: string,
  columns: Columns,
  key: readonly string[],
  indexes: Readonly<Record<string, readonly string[]>> = {},
): Promise<void> => {
  let table: CreateTableBuilder<string, string> = db.schema.createTable(name)
  for (const [column, kind] of Object.entries(columns)) {
    const isOptional = kind.endsWith('?')
    table = table.addColumn(column, kindOf(kind), (one) => (isOptional ? one : one.notNull()))
  }
  await table.addPrimaryKeyConstraint(`${name}_key`, [...key]).execute()
  for (const [index, of] of Object.entries(indexes))
    await db.schema
      .createIndex(`${name}_${index}`)
      .on(name)
      .columns([...of])
      .execute()
}

const kindOf = (kind: string): Column => {
  const plain = kind.replace('?', '')
  return plain === 'text' || plain === 'bigint' || plain === 'bytea' ? plain : 'integer'
}

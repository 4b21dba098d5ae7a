import pg from 'pg'

/** The visits, counted in a table of the database. */
export const openVisits = (connectionString) => {
  const pool = new pg.Pool({ connectionString, max: 4, connectionTimeoutMillis: 5000, idleTimeoutMillis: 60_000 })
  // A connection that breaks while nobody uses it is replaced; without a listener it would end the process.
  pool.on('error', (error) => console.error(`database: ${error.message}`))
  return {
    /** Instances start at the same moment, and CREATE TABLE IF NOT EXISTS is not safe against another one: hence the lock. */
    prepare: () => inTransaction(pool, async (client) => {
      await client.query('SELECT pg_advisory_xact_lock(4680)')
      await client.query('CREATE TABLE IF NOT EXISTS visits (id int PRIMARY KEY, count bigint NOT NULL)')
      await client.query('INSERT INTO visits VALUES (1, 0) ON CONFLICT DO NOTHING')
    }),
    count: async () => {
      const { rows } = await pool.query('UPDATE visits SET count = count + 1 WHERE id = 1 RETURNING count')
      return Number(rows[0].count)
    },
    answers: () => pool.query('SELECT 1'),
    close: () => pool.end(),
  }
}

const inTransaction = async (pool, work) => {
  const client = await pool.connect()
  try {
    await client.query('BEGIN')
    await work(client)
    await client.query('COMMIT')
  } catch (error) {
    await client.query('ROLLBACK')
    throw error
  } finally {
    client.release()
  }
}

import type { Store } from '../store/store.ts'
import type { Link } from './chain.ts'
import type { LedgerTables } from './tables.ts'

const pageFacts = 2_000 // some milliseconds of hashing each, so that nothing else waits long

/** The ledger's links, oldest first. */
export async function* pagesOf(store: Store): AsyncGenerator<Link[]> {
  const links = store.tables<LedgerTables>().selectFrom('ledger_facts').selectAll().orderBy('seq').limit(pageFacts)
  let page = await links.execute()
  while (page.length > 0) {
    // the next page is read while this one is inspected
    const next = links.where('seq', '>', page.at(-1)?.seq ?? 0).execute()
    yield page
    page = await next
  }
}

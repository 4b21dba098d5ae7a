import type { Clock } from '../clock.ts'
import { payloadErased } from '../ledger/facts.ts'
import type { Ledger, Views } from '../ledger/ledger.ts'
import type { Authentication, Identity } from './access.ts'
import { accessFacts } from './facts.ts'
import { identityOf } from './grants.ts'
import { isToken, tokenHash } from './token.ts'
import type { AccessQueries } from './views.ts'

const rememberedTokens = 1000

/** The facts after which somebody may be another, or may do less: all that this room records, and the erasure of any of them. */
export const aboutRights: readonly string[] = [...accessFacts, payloadErased].map(({ type }) => type)

type Known = { readonly identity: Identity; readonly expiresAt: number | null }

/**
 * Finds out who is behind a token. What was found is remembered until the next fact about anybody's rights, so that a token stops to count
 * with the very append that revokes it.
 */
export const createAuthentication = (options: {
  ledger: Ledger
  views: Views
  queries: AccessQueries
  clock: Clock
}): Authentication & { stop(): void } => {
  const { ledger, views, queries, clock } = options
  const known = new Map<string, Known>()
  let generation = 0
  const stop = ledger.onAppend(() => {
    generation += 1
    known.clear()
  }, aboutRights)

  const look = async (hash: string): Promise<Known | null> => {
    const asked = generation
    await views.reach()
    const token = await queries.tokenByHash(hash)
    if (!token || token.revoked_at !== null) return null
    const found = { identity: identityOf(token, await queries.grantsOf(token.user_name)), expiresAt: token.expires_at }
    // A fact that came meanwhile may be about this very token.
    if (asked === generation && known.size < rememberedTokens) known.set(hash, found)
    return found
  }

  return {
    stop,
    identify: async (token) => {
      if (!isToken(token)) return null
      const hash = tokenHash(token)
      const found = known.get(hash) ?? (await look(hash))
      return found && (found.expiresAt === null || clock.now() < found.expiresAt) ? found.identity : null
    },
  }
}

import { readFileSync } from 'node:fs'
import type { Clock, Ids } from '../clock.ts'
import { effectSync } from '../effect.ts'
import type { Home } from '../home.ts'
import { fact } from '../ledger/fact.ts'
import type { Ledger, Views } from '../ledger/ledger.ts'
import { writeDurably } from '../processes/files.ts'
import { roleGranted, tokenIssued, userCreated } from './facts.ts'
import { isToken, newToken, tokenHash } from './token.ts'
import { revocation, tokenSubject } from './tokens.ts'
import { userSubject } from './users.ts'
import type { AccessQueries } from './views.ts'

const user = 'admin'
const tokenName = 'local'
const actor = 'system:access'

/**
 * Makes sure that there is an administrator and that the token of the local command line works; changes nothing when all is well. The
 * file is written before the fact: a token that is in the file but in no fact is given its fact by the next start.
 */
export const ensureAdministrator = async (options: {
  ledger: Ledger
  views: Views
  queries: AccessQueries
  home: Pick<Home, 'token'>
  clock: Clock
  ids: Ids
}): Promise<void> => {
  const { ledger, views, queries, home, clock, ids } = options
  await ensureUser(ledger)
  await views.reach()
  const kept = readToken(home.token)
  const row = kept === null ? undefined : await queries.tokenByHash(tokenHash(kept))
  if (row && row.revoked_at === null && (row.expires_at === null || clock.now() < row.expires_at)) return

  const secret = kept !== null && !row ? kept : newToken()
  if (secret !== kept) effectSync('access.write-administrator-token', () => writeDurably(home.token, `${secret}\n`))
  const lost = (await queries.tokens()).filter(
    (other) => other.user_name === user && other.name === tokenName && other.revoked_at === null,
  )
  const id = ids('token')
  const scope = { role: 'administrator' as const, project: null }
  const payload = { token: id, user, name: tokenName, hash: tokenHash(secret), scope, expiresAt: null }
  await ledger.append([
    ...lost.map(({ token }) => revocation(token, actor)),
    fact(tokenIssued, { subject: tokenSubject(id), actor, payload }),
  ])
}

const ensureUser = async (ledger: Ledger): Promise<void> => {
  const subject = userSubject(user)
  await ledger.append(
    [
      fact(userCreated, { subject, actor, payload: { user } }),
      fact(roleGranted, { subject, actor, payload: { user, role: 'administrator', project: null } }),
    ],
    { expect: { subject, seq: 0 } },
  )
}

const readToken = (file: string): string | null => {
  try {
    const text = readFileSync(file, 'utf8').trim()
    return isToken(text) ? text : null
  } catch {
    return null // not there yet, or lost: a new one is made
  }
}

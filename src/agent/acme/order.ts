import { Client, crypto } from 'acme-client'
import type { AcmeSettings } from '../../edge/settings.ts'
import { effect } from '../../effect.ts'
import type { Shelf } from './shelf.ts'

/** Orders a certificate for one name by http-01 (RFC 8555) and puts it on the shelf; rejects with what the authority said. */
export const orderCertificate = async (name: string, settings: AcmeSettings, shelf: Shelf): Promise<void> => {
  const client = new Client({
    directoryUrl: settings.directory,
    accountKey: await shelf.accountKey(() => crypto.createPrivateEcdsaKey()),
    backoffAttempts: 12,
    backoffMin: 1_000,
    backoffMax: 15_000,
  })
  // Said again with the same key it is the same account.
  await effect('agent.acme-account', () =>
    client.createAccount({
      termsOfServiceAgreed: true,
      contact: settings.email === null ? [] : [`mailto:${settings.email}`],
    }),
  )
  const order = await effect('agent.acme-order', () =>
    client.createOrder({ identifiers: [{ type: 'dns', value: name }] }),
  )
  for (const authorization of await client.getAuthorizations(order)) {
    if (authorization.status === 'valid') continue
    const challenge = authorization.challenges.find(({ type }) => type === 'http-01')
    if (!challenge) throw new Error('the authority offers no http-01')
    shelf.answerChallenge(challenge.token, await client.getChallengeKeyAuthorization(challenge))
    await effect('agent.acme-complete', () => client.completeChallenge(challenge))
    await client.waitForValidStatus(challenge)
  }
  const [key, request] = await crypto.createCsr(
    { commonName: name, altNames: [name] },
    await crypto.createPrivateEcdsaKey(),
  )
  const finalized = await effect('agent.acme-finalize', () => client.finalizeOrder(order, request))
  const certificate = await client.getCertificate(finalized)
  shelf.keep(name, { certificate, key })
}

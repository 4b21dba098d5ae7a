import { t } from '../texts/en.ts'
import { answer, api } from './client.ts'
import { Refusal } from './refusal.ts'

/** Whether this browser has passkeys on this page: not without encryption, and not at a bare address. */
export const hasPasskeys = (): boolean =>
  isSecureContext && 'credentials' in navigator && 'PublicKeyCredential' in globalThis && !isAddress(location.hostname)

/** The same page by a name, where it was opened by the address of this very machine; null elsewhere. */
export const byName = (): string | null =>
  /^(127\.|\[::1\])/.test(location.hostname)
    ? `${location.protocol}//localhost${location.port && `:${location.port}`}${location.pathname}${location.search}`
    : null

const isAddress = (host: string): boolean => host.startsWith('[') || /^\d+(\.\d+){3}$/.test(host)

/** Loaded when somebody asks for it. */
const library = () => import('@simplewebauthn/browser')

/** What signs in: an answer of one of this device's passkeys. Rejects with a Refusal when its user does not want to. */
export const answerChallenge = async () => {
  const { startAuthentication } = await library()
  const optionsJSON = await answer(api.passkeys['sign-in-challenges'].$post())
  return withdrawn(startAuthentication({ optionsJSON }))
}

/** Makes a passkey on this device and adds it to one's own. */
export const addPasskey = async (name: string): Promise<void> => {
  const { startRegistration } = await library()
  const optionsJSON = await answer(api.passkeys['passkey-offers'].$post())
  const response = await withdrawn(startRegistration({ optionsJSON }))
  await answer(api.passkeys.passkeys.$post({ json: { name, response } }))
}

/** A browser tells with one and the same error that its user said no, took too long, or has no such passkey. */
const withdrawn = <Result>(asked: Promise<Result>): Promise<Result> =>
  asked.catch((cause: unknown) => {
    const isKnown = cause instanceof Error && cause.name === 'InvalidStateError'
    const detail = isKnown ? t.passkeys.alreadyHere : t.passkeys.notAnswered
    throw new Refusal({ kind: 'passkey-not-answered', status: 0, detail, next: null }, { cause })
  })

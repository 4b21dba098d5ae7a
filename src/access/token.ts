import { createHash, randomBytes } from 'node:crypto'

/** A bearer token: `hw_` and 256 random bits. It is shown once; what is kept is its hash. */
export const newToken = (): string => `hw_${randomBytes(32).toString('base64url')}`

/** The secret of a session, or the code of a link or an invitation: told apart from a token, as neither opens what the other does. */
export const newSession = (): string => `hws_${randomBytes(32).toString('base64url')}`
export const isSession = (text: string): boolean => /^hws_[A-Za-z0-9_-]{43}$/.test(text)

/** Whether it looks like one of ours; anything else need not be looked up. */
export const isToken = (text: string): boolean => /^hw_[A-Za-z0-9_-]{43}$/.test(text)

/**
 * SHA-256, hexadecimal. A fast hash without salt is right for 256 random bits (no list of guesses is worth making), and because it is
 * the hash that is looked up, how long that takes says nothing about the token.
 */
export const tokenHash = (token: string): string => createHash('sha256').update(token).digest('hex')

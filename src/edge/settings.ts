import { readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { fields, finite, flag, list, Malformed, oneOf, orNull, text, whole } from '../agent/check.ts'
import { parseNetworks, type TrustedHeader } from './trust.ts'

/**
 * What of an edge is the machine's business, no service's: kept as `edge-settings.json` beside its table, written by whoever starts it
 * (`headway up`, `headway edge`). Each edge reads it when it starts; where it changes, a new edge takes over.
 */
export type EdgeSettings = {
  readonly tls: TlsSettings | null
  /** Addresses and networks, with commas between them. */
  readonly trusted: string
  readonly trustedHeader: TrustedHeader
  /** Trusted proxies begin each connection with a header of the PROXY protocol. */
  readonly proxyProtocol: boolean
  readonly accessLog: {
    /** `off` for no log at all. */
    readonly format: 'json' | 'combined' | 'off'
    /** Of the requests that are told, from 0 to 1; failures always are. */
    readonly share: number
  }
  /** Open ones; null for as many as come. */
  readonly connectionsPerAddress: number | null
}
export type TlsSettings = {
  readonly host: string
  readonly port: number
  /** Where clients reach it, when something in front leads there from another port. */
  readonly publicPort: number | null
  readonly certificates: readonly string[]
  /** Plain requests for a host that has a certificate are sent to https. */
  readonly redirect: boolean
  readonly acme: AcmeSettings | null
}
export type AcmeSettings = {
  readonly directory: string
  readonly email: string | null
  /** By these names as they are; one of `*` is not possible by http-01. */
  readonly names: readonly string[]
  /** A certificate is renewed when less than this part of its life is left. */
  readonly renewAt: number
  /** The certificate (PEM file) of a certificate authority's own server, where the machine does not trust it anyhow. */
  readonly ca: string | null
}

export const noSettings: EdgeSettings = {
  tls: null,
  trusted: '',
  trustedHeader: 'x-forwarded-for',
  proxyProtocol: false,
  accessLog: { format: 'json', share: 1 },
  connectionsPerAddress: null,
}

export const settingsFile = (state: string): string => join(state, 'edge-settings.json')
/** Where certificates are that were ordered; the account and what is on its way beside them. */
export const acmeDirectory = (state: string): string => join(state, 'acme')

/** Settings in unknown JSON; a Malformed that names the place of the first fault. */
export const parseSettings = (value: unknown): EdgeSettings => {
  const settings = fields(value, 'settings')
  const log = fields(settings.accessLog, 'accessLog')
  const trusted = text(settings.trusted, 'trusted')
  parseNetworks(trusted)
  const share = finite(log.share, 'accessLog.share')
  if (share < 0 || share > 1) throw new Malformed('accessLog.share is not from 0 to 1')
  return {
    tls: orNull(settings.tls, 'tls', parseTls),
    trusted,
    trustedHeader: oneOf(settings.trustedHeader, 'trustedHeader', ['x-forwarded-for', 'forwarded']),
    proxyProtocol: flag(settings.proxyProtocol, 'proxyProtocol'),
    accessLog: { format: oneOf(log.format, 'accessLog.format', ['json', 'combined', 'off']), share },
    connectionsPerAddress: orNull(settings.connectionsPerAddress, 'connectionsPerAddress', atLeastOne),
  }
}

const parseTls = (value: unknown, at: string): TlsSettings => {
  const tls = fields(value, at)
  return {
    host: text(tls.host, `${at}.host`),
    port: whole(tls.port, `${at}.port`),
    publicPort: orNull(tls.publicPort, `${at}.publicPort`, whole),
    certificates: list(tls.certificates, `${at}.certificates`, text),
    redirect: flag(tls.redirect, `${at}.redirect`),
    acme: orNull(tls.acme, `${at}.acme`, parseAcme),
  }
}

const parseAcme = (value: unknown, at: string): AcmeSettings => {
  const acme = fields(value, at)
  const directory = text(acme.directory, `${at}.directory`)
  if (!/^https?:\/\//.test(directory)) throw new Malformed(`${at}.directory is no address that begins with https://`)
  return {
    directory,
    email: orNull(acme.email, `${at}.email`, text),
    names: list(acme.names, `${at}.names`, text),
    renewAt: finite(acme.renewAt, `${at}.renewAt`),
    ca: orNull(acme.ca, `${at}.ca`, text),
  }
}

const atLeastOne = (value: unknown, at: string): number => {
  const number = whole(value, at)
  if (number < 1) throw new Malformed(`${at} is below 1`)
  return number
}

/** The settings as they stand; none of them where there is no file. What cannot be read is said, and costs nobody the traffic. */
export const loadSettings = (state: string, say: (line: string) => void): EdgeSettings => {
  const file = settingsFile(state)
  try {
    return parseSettings(JSON.parse(readFileSync(file, 'utf8')))
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'ENOENT'))
      say(`edge: ${file} cannot be read and is left aside: ${error instanceof Error ? error.message : String(error)}`)
    return noSettings
  }
}

/** Changes when the file does. */
export const settingsSignature = (state: string): string => {
  const found = statSync(settingsFile(state), { throwIfNoEntry: false })
  return found ? `${found.ino}:${found.size}:${found.mtimeMs}` : 'none'
}

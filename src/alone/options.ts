import { existsSync } from 'node:fs'
import { resolve } from 'node:path'
import { type AcmeSettings, type EdgeSettings, noSettings, type TlsSettings } from '../edge/settings.ts'
import { parseNetworks } from '../edge/trust.ts'
import { Problem } from '../problem.ts'

/** What `headway up` and `headway edge` may be told of the edge on their command line. */
export type EdgeOptions = {
  readonly host: string
  readonly edgeTlsPort?: string
  readonly certificates?: readonly string[]
  readonly acme?: string
  readonly acmeEmail?: string
  readonly acmeName?: readonly string[]
  readonly acmeCa?: string
  readonly trustedProxies?: string
  readonly trustedHeader?: string
  readonly proxyProtocol?: boolean
  readonly connectionsPerAddress?: string
  readonly accessLog?: string
  readonly logShare?: string
  /** By which name the port for TLS is said. */
  readonly tlsOption?: string
}

/** A certificate is renewed when a third of its life is left: a month of the usual three. */
export const usualRenewAt = 1 / 3

/** The settings that options stand for, on top of others; a Problem that names the option. */
export const settingsFromOptions = (options: EdgeOptions): EdgeSettings => {
  const base = withLimits(options, withProxies(options))
  const { edgeTlsPort, certificates, acme, acmeEmail, acmeName, acmeCa } = options
  const said = [edgeTlsPort, certificates, acme, acmeEmail, acmeName, acmeCa]
  return said.every((one) => one === undefined) ? base : withTls(options, base)
}

const withProxies = ({ trustedProxies = '', trustedHeader, proxyProtocol = false }: EdgeOptions): EdgeSettings => {
  try {
    parseNetworks(trustedProxies)
  } catch (error) {
    throw refused(
      `--trusted-proxies: ${error instanceof Error ? error.message : error}`,
      'such as 10.0.0.7,192.168.0.0/16',
    )
  }
  if (trustedHeader !== undefined && trustedHeader !== 'forwarded' && trustedHeader !== 'x-forwarded-for')
    throw refused(
      `--trusted-header is x-forwarded-for or forwarded, not ${trustedHeader}`,
      'name the one that your proxies set',
    )
  if (trustedProxies === '' && (proxyProtocol || trustedHeader !== undefined))
    throw refused(
      '--proxy-protocol and --trusted-header go together with --trusted-proxies',
      'add --trusted-proxies 10.0.0.7',
    )
  return { ...noSettings, trusted: trustedProxies, trustedHeader: trustedHeader ?? 'x-forwarded-for', proxyProtocol }
}

const withLimits = ({ connectionsPerAddress, accessLog, logShare }: EdgeOptions, base: EdgeSettings): EdgeSettings => {
  const format = accessLog ?? base.accessLog.format
  if (format !== 'json' && format !== 'combined' && format !== 'off')
    throw refused(`--access-log is json, combined or off, not ${format}`, 'such as --access-log combined')
  const share = Number(logShare ?? base.accessLog.share)
  if (!(share >= 0 && share <= 1) || logShare?.trim() === '')
    throw refused(`--log-share is a number from 0 to 1, not ${logShare}`, 'such as --log-share 0.1')
  const connections = connectionsPerAddress === undefined ? null : Number(connectionsPerAddress)
  if (connections !== null && !(Number.isInteger(connections) && connections >= 1))
    throw refused(
      `--connections-per-address is a number of at least 1, not ${connectionsPerAddress}`,
      'such as --connections-per-address 100',
    )
  return { ...base, accessLog: { format, share }, connectionsPerAddress: connections }
}

const withTls = (options: EdgeOptions, base: EdgeSettings): EdgeSettings => {
  if (options.edgeTlsPort === 'off') return { ...base, tls: null }
  const { tlsOption = '--edge-tls-port' } = options
  const port = options.edgeTlsPort === undefined ? (base.tls?.port ?? null) : portOf(options.edgeTlsPort, tlsOption)
  if (port === null) throw refused('certificates are for a port on which TLS is spoken', `add ${tlsOption} 4443`)
  const acme = acmeFrom(options) ?? base.tls?.acme ?? null
  const certificates = options.certificates?.map(directoryAt) ?? base.tls?.certificates ?? []
  if (certificates.length === 0 && acme === null)
    throw refused(
      `port ${port} has no certificates to show`,
      'add --certificates <directory>, or --acme https://acme-v02.api.letsencrypt.org/directory',
    )
  const usual: TlsSettings = { host: options.host, port, publicPort: null, certificates, redirect: true, acme }
  return { ...base, tls: { ...usual, ...base.tls, port, certificates, acme } }
}

const acmeFrom = (options: EdgeOptions): AcmeSettings | null => {
  const { acme: directory, acmeEmail, acmeName, acmeCa } = options
  if (directory === undefined) {
    if (acmeEmail === undefined && acmeName === undefined && acmeCa === undefined) return null
    throw refused(
      '--acme-email, --acme-name and --acme-ca go together with --acme',
      'add --acme <url of the directory>',
    )
  }
  if (!URL.canParse(directory) || !/^https?:$/.test(new URL(directory).protocol))
    throw refused(
      `--acme is the address of a directory, not ${JSON.stringify(directory)}`,
      'such as https://acme-v02.api.letsencrypt.org/directory',
    )
  const names = (acmeName ?? []).map((name) => name.toLowerCase())
  for (const name of names)
    if (!isOrderable(name))
      throw refused(
        `--acme-name ${name} is no host name that can be ordered`,
        'by http-01 a name has dots and no asterisk',
      )
  return {
    directory,
    email: acmeEmail ?? null,
    names,
    renewAt: usualRenewAt,
    ca: acmeCa === undefined ? null : fileAt(acmeCa),
  }
}

/** Of http-01: a name that everybody's resolvers may know. */
export const isOrderable = (name: string): boolean =>
  /^(?=.{1,253}$)[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)+$/.test(name) &&
  !/(^|\.)localhost$|^[0-9.]+$/.test(name)

const portOf = (text: string, option: string): number => {
  const port = Number(text)
  if (Number.isInteger(port) && port >= 0 && port < 65_536 && text.trim() !== '') return port
  throw refused(
    `${option} is a port from 1 to 65535, 0 for a free one, or off, not ${JSON.stringify(text)}`,
    'such as 4443',
  )
}

const directoryAt = (path: string): string => {
  if (!existsSync(path))
    throw refused(
      `there is no directory ${path} for --certificates`,
      'name the one with shop.crt and shop.key, or fullchain.pem and privkey.pem',
    )
  return resolve(path)
}
const fileAt = (path: string): string => {
  if (!existsSync(path))
    throw refused(`there is no file ${path} for --acme-ca`, 'name the PEM file of the certificate authority')
  return resolve(path)
}

const refused = (detail: string, next: string): Problem =>
  new Problem({ kind: 'bad-edge-option', status: 400, detail, next })

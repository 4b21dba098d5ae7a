import { X509Certificate } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Clock } from '../clock.ts'
import { effectSync } from '../effect.ts'
import type { Home } from '../home.ts'
import { Problem } from '../problem.ts'
import { writeDurably } from '../processes/files.ts'
import { isLoopback } from './host.ts'

/** How the port is protected: not at all, by a certificate of the operator's, or by one that Headway makes for itself. */
export type TlsChoice =
  | { readonly kind: 'none' }
  | { readonly kind: 'files'; readonly cert: string; readonly key: string }
  | { readonly kind: 'self-signed' }

export type Certificate = {
  readonly cert: string
  readonly key: string
  /** SHA-256 of the certificate, to be compared by eye. */
  readonly fingerprint: string
}

/** What is listened on is open to others: then it is encrypted, unless the operator has said otherwise in so many words. */
export const refusePlainOutside = (host: string, tls: TlsChoice, isInsecureAllowed: boolean): void => {
  if (isLoopback(host) || tls.kind !== 'none' || isInsecureAllowed) return
  throw new Problem({
    kind: 'tls-needed',
    status: 400,
    detail: `${host} can be reached by others, and without TLS they could read tokens and secrets on their way`,
    next: 'add --tls self-signed, or --tls-cert <file> --tls-key <file>; behind a proxy that encrypts, --insecure',
  })
}

/** The certificate for the port; null without TLS. */
export const certificateFor = async (
  tls: TlsChoice,
  home: Home,
  names: readonly string[],
  clock: Clock,
): Promise<Certificate | null> => {
  switch (tls.kind) {
    case 'none':
      return null
    case 'files':
      return certified(read(tls.cert), read(tls.key), tls.cert, clock)
    case 'self-signed':
      return selfSigned(home, names, clock)
  }
}

const oneDayMs = 24 * 60 * 60_000
const validDays = 825 // browsers refuse longer ones

/** The certificate in the home; made anew when there is none, when a name is missing, or in its last month. */
const selfSigned = async (home: Home, names: readonly string[], clock: Clock): Promise<Certificate> => {
  const file = join(home.root, 'tls.pem')
  const kept = readOrNull(file)
  if (kept !== null) {
    const certificate = new X509Certificate(kept)
    const remainingMs = certificate.validToDate.getTime() - clock.now()
    if (remainingMs > 30 * oneDayMs && names.every((name) => covers(certificate, name)))
      return certified(kept, kept, file, clock)
  }
  const { generate } = await import('selfsigned')
  const made = await generate([{ name: 'commonName', value: 'Headway' }], {
    keyType: 'ec',
    curve: 'P-256',
    algorithm: 'sha256',
    notBeforeDate: new Date(clock.now() - oneDayMs),
    notAfterDate: new Date(clock.now() + validDays * oneDayMs),
    extensions: [
      { name: 'basicConstraints', cA: false, critical: true },
      { name: 'keyUsage', digitalSignature: true, critical: true },
      { name: 'extKeyUsage', serverAuth: true },
      {
        name: 'subjectAltName',
        altNames: names.map((name) =>
          isAddress(name) ? { type: 7 as const, ip: name } : { type: 2 as const, value: name },
        ),
      },
    ],
  })
  // One file for both, so that a crash leaves no key with the certificate of another.
  const text = `${made.cert.trim()}\n${made.private.trim()}\n`
  effectSync('api.write-certificate', () => writeDurably(file, text))
  return certified(text, text, file, clock)
}

const certified = (cert: string, key: string, file: string, clock: Clock): Certificate => {
  let certificate: X509Certificate
  try {
    certificate = new X509Certificate(cert)
  } catch (cause) {
    throw new Problem(
      {
        kind: 'certificate-unreadable',
        status: 400,
        detail: 'this holds no certificate in PEM form',
        where: { file },
        next: 'give the file with -----BEGIN CERTIFICATE-----',
      },
      { cause },
    )
  }
  if (certificate.validToDate.getTime() < clock.now())
    throw new Problem({
      kind: 'certificate-expired',
      status: 400,
      detail: `the certificate expired on ${certificate.validTo}`,
      where: { file },
      next: 'renew it, or use --tls self-signed',
    })
  return { cert, key, fingerprint: certificate.fingerprint256 }
}

const covers = (certificate: X509Certificate, name: string): boolean =>
  (isAddress(name) ? certificate.checkIP(name) : certificate.checkHost(name)) !== undefined

const isAddress = (name: string): boolean => name.includes(':') || /^\d+(\.\d+){3}$/.test(name)

const read = (file: string): string => {
  try {
    return readFileSync(file, 'utf8')
  } catch (cause) {
    throw new Problem(
      {
        kind: 'certificate-unreadable',
        status: 400,
        detail: 'the file cannot be read',
        where: { file },
        next: 'see --tls-cert and --tls-key',
      },
      { cause },
    )
  }
}

const readOrNull = (file: string): string | null => {
  try {
    return readFileSync(file, 'utf8')
  } catch {
    return null
  }
}

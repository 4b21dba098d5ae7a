import { createPrivateKey, X509Certificate } from 'node:crypto'
import { readdir, readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { createSecureContext, type SecureContext } from 'node:tls'

/** A certificate with its key, as a TLS handshake needs it. */
export type Certificate = {
  /** How it is called in messages: its file, without the ending. */
  readonly label: string
  /** The names that it is valid for, in lower case; `*.example.org` among them. */
  readonly names: readonly string[]
  readonly expiresAt: number
  readonly context: SecureContext
  readonly pem: { readonly cert: Buffer; readonly key: Buffer }
}

export type Certificates = {
  /** For a name that a client asks for; null asks for what clients get that name none. Null when there is none to show. */
  find(name: string | null): Certificate | null
  all(): readonly Certificate[]
  /** Reads what has changed since the last time. Never rejects: what cannot be used is said, and what was there before stays. */
  reload(): Promise<void>
}

type Pair = { readonly label: string; readonly certificateFile: string; readonly keyFile: string }
type Entry = { readonly signature: string; readonly certificate: Certificate | null }

/** The name of the pair that answers clients which name no host, or one that nobody has a certificate for. */
export const defaultLabel = 'default'
const largestFileBytes = 1 << 20
/** Longer names do not exist (RFC 1035, 2.3.4); what is no name is not looked up. */
const hostName = /^(?=.{1,253}$)[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?(\.[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?)*$/

/**
 * The certificates of directories, by the names that are in them (not by those of the files). A pair is `shop.crt` or `shop.pem` with
 * `shop.key`, or a folder with `fullchain.pem` and `privkey.pem` (Certbot's) or `tls.crt` and `tls.key` (a Kubernetes secret's).
 * Of two that are valid for a name, the one that lives longer counts.
 */
export const openCertificates = (directories: readonly string[], say: (line: string) => void): Certificates => {
  const entries = new Map<string, Entry>()
  let byName = new Map<string, Certificate>()
  let fallback: Certificate | null = null
  const complained = new Set<string>()

  const sayOnce = (line: string): void => {
    if (complained.has(line)) return
    complained.add(line)
    say(line)
  }

  const look = async (directory: string): Promise<Pair[] | null> => {
    try {
      return await pairsIn(directory)
    } catch (error) {
      sayOnce(`edge: the certificates in ${directory} cannot be listed, those known stay: ${describe(error)}`)
      return null
    }
  }

  const index = (): void => {
    const next = new Map<string, Certificate>()
    const usable = [...entries.values()].flatMap(({ certificate }) => certificate ?? [])
    for (const certificate of usable)
      for (const name of certificate.names)
        if ((next.get(name)?.expiresAt ?? 0) < certificate.expiresAt) next.set(name, certificate)
    byName = next
    fallback =
      usable.find(({ label }) => label.endsWith(`/${defaultLabel}`)) ??
      (usable.length === 1 ? (usable[0] ?? null) : null)
  }

  const reload = async (): Promise<void> => {
    const listed = await Promise.all(directories.map(look))
    const here = new Set<string>()
    let changed = false
    for (const [place, pairs] of listed.entries()) {
      const prefix = `${directories[place]}/`
      if (pairs === null) for (const label of entries.keys()) if (label.startsWith(prefix)) here.add(label)
      for (const pair of pairs ?? []) {
        here.add(pair.label)
        const before = entries.get(pair.label)
        const after = await read(pair, before, sayOnce)
        if (after === before) continue
        entries.set(pair.label, after)
        changed = true
      }
    }
    for (const label of [...entries.keys()]) {
      if (here.has(label)) continue
      entries.delete(label)
      changed = true
    }
    if (changed) {
      complained.clear()
      index()
    }
  }

  let reading: Promise<void> | null = null
  return {
    find: (asked) => {
      const name = asked?.toLowerCase().replace(/\.$/, '') ?? null
      if (name === null || !hostName.test(name)) return name === null ? fallback : null
      const exact = byName.get(name) ?? byName.get(`*.${name.slice(name.indexOf('.') + 1)}`)
      return exact ?? (fallback?.label.endsWith(`/${defaultLabel}`) ? fallback : null)
    },
    all: () => [...new Set(byName.values())],
    reload: () => {
      reading ??= reload().finally(() => {
        reading = null
      })
      return reading
    },
  }
}

/** Whether a certificate is valid for a name: itself, or with one label in the place of its asterisk (RFC 6125, 6.4.3). */
export const covers = ({ names }: Certificate, name: string): boolean =>
  names.includes(name) || (name.includes('.') && names.includes(`*.${name.slice(name.indexOf('.') + 1)}`))

const pairsIn = async (directory: string): Promise<Pair[]> => {
  const found = await readdir(directory, { withFileTypes: true })
  const names = new Set(found.map(({ name }) => name))
  const pairs: Pair[] = []
  const stems = new Set([...names].flatMap((name) => /^([^.].*)\.(?:crt|pem|key)$/.exec(name)?.[1] ?? []))
  for (const stem of stems) {
    const certificateFile = names.has(`${stem}.crt`) ? `${stem}.crt` : `${stem}.pem`
    pairs.push(pairOf(directory, stem, certificateFile, `${stem}.key`))
  }
  for (const entry of found) {
    if (entry.name.startsWith('.') || !(entry.isDirectory() || entry.isSymbolicLink())) continue
    const inside = new Set(await readdir(join(directory, entry.name)).catch(() => []))
    if (inside.has('fullchain.pem') || inside.has('privkey.pem'))
      pairs.push(pairOf(directory, entry.name, `${entry.name}/fullchain.pem`, `${entry.name}/privkey.pem`))
    else if (inside.has('tls.crt') || inside.has('tls.key'))
      pairs.push(pairOf(directory, entry.name, `${entry.name}/tls.crt`, `${entry.name}/tls.key`))
  }
  return pairs
}

const pairOf = (directory: string, stem: string, certificateFile: string, keyFile: string): Pair => ({
  label: `${directory}/${stem}`,
  certificateFile: join(directory, certificateFile),
  keyFile: join(directory, keyFile),
})

/** What was there before, where nothing has changed or what is there now cannot be used. */
const read = async (pair: Pair, before: Entry | undefined, say: (line: string) => void): Promise<Entry> => {
  let signature = 'unread'
  try {
    signature = `${await signatureOf(pair.certificateFile)} ${await signatureOf(pair.keyFile)}`
    if (before?.signature === signature) return before
    const certificate = load(pair, await readFile(pair.certificateFile), await readFile(pair.keyFile))
    return { signature, certificate }
  } catch (error) {
    if (before?.signature === signature) return before
    const rest = before?.certificate ? 'the one before stays in use' : 'it is left aside'
    say(`edge: the certificate ${pair.certificateFile} cannot be used, ${rest}: ${describe(error)}`)
    return { signature, certificate: before?.certificate ?? null }
  }
}

const signatureOf = async (file: string): Promise<string> => {
  const { mtimeMs, ctimeMs, size, ino, isFile } = await stat(file).then((one) => ({ ...one, isFile: one.isFile() }))
  if (!isFile || size > largestFileBytes) throw new Error(`${file} is no file of at most ${largestFileBytes} bytes`)
  return `${ino}:${size}:${mtimeMs}:${ctimeMs}`
}

const load = ({ label }: Pair, cert: Buffer, key: Buffer): Certificate => {
  const leaf = new X509Certificate(cert)
  if (!leaf.checkPrivateKey(createPrivateKey(key))) throw new Error('its key is that of another certificate')
  const names = namesIn(leaf.subjectAltName ?? '')
  if (names.length === 0 && !label.endsWith(`/${defaultLabel}`))
    throw new Error('it is valid for no name (it has no DNS name among its subject alternative names)')
  const context = createSecureContext({ cert, key })
  return { label, names, expiresAt: leaf.validToDate.getTime(), pem: { cert, key }, context }
}

/** `DNS:shop.example, DNS:*.shop.example, IP Address:…`; a name in quotes holds what no host name does. */
const namesIn = (alternatives: string): string[] =>
  alternatives
    .split(', ')
    .flatMap((one) => /^DNS:((?:\*\.)?[^"*]+)$/.exec(one)?.[1]?.toLowerCase() ?? [])
    .filter((name) => hostName.test(name.replace(/^\*\./, '')))

const describe = (error: unknown): string => (error instanceof Error ? error.message : String(error))

import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { generate } from 'selfsigned'

export type Made = { readonly cert: string; readonly key: string }

/** A certificate for these names, signed by itself. */
export const makeCertificate = async (names: readonly string[], days = 30): Promise<Made> => {
  const made = await generate([{ name: 'commonName', value: names[0] ?? 'nobody' }], {
    keyType: 'ec',
    notAfterDate: new Date(Date.now() + days * 86_400_000),
    extensions: [{ name: 'subjectAltName', altNames: names.map((value) => ({ type: 2, value })) }],
  })
  return { cert: made.cert, key: made.private }
}

export const certificateDirectory = (t: TestContext): string => {
  const directory = mkdtempSync(join(tmpdir(), 'headway-certificates-'))
  t.after(() => rmSync(directory, { recursive: true, force: true }))
  return directory
}

export const writePair = (directory: string, stem: string, { cert, key }: Made): void => {
  mkdirSync(directory, { recursive: true })
  writeFileSync(join(directory, `${stem}.key`), key, { mode: 0o600 })
  writeFileSync(join(directory, `${stem}.crt`), cert)
}

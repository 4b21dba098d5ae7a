import { createHash, createHmac, pbkdf2Sync, randomBytes } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import type { Seal } from '../access/access.ts'
import { effectSync } from '../effect.ts'
import type { Home } from '../home.ts'
import { writeDurably } from '../processes/files.ts'

/** Generated passwords, each sealed in a file of its own (0600) that is durable before the password is used anywhere. */
export type Credentials = {
  /** The password kept under this name; made when there is none. */
  take(name: string): string
  has(name: string): boolean
  forget(name: string): void
}

export const createCredentials = (home: Home, seal: Seal): Credentials => {
  const directory = join(home.root, 'credentials')
  const fileOf = (name: string): string => join(directory, `${name}.sealed`)
  const sealName = (name: string): string => `database-credential/${name}`
  return {
    take: (name) => {
      const file = fileOf(name)
      if (existsSync(file)) return Buffer.from(seal.open(sealName(name), readFileSync(file))).toString()
      const password = randomBytes(24).toString('base64url')
      mkdirSync(directory, { recursive: true, mode: 0o700 })
      const sealed = seal.seal(sealName(name), Buffer.from(password))
      effectSync('operate.keep-credential', () => writeDurably(file, sealed))
      return password
    },
    has: (name) => existsSync(fileOf(name)),
    forget: (name) => {
      effectSync('operate.forget-credential', () => rmSync(fileOf(name), { force: true }))
    },
  }
}

/** The form in which PostgreSQL keeps a password (RFC 5803), so that the password itself is in no statement and no log of it. */
export const scramVerifier = (password: string, salt: Buffer = randomBytes(16)): string => {
  const iterations = 4096
  const salted = pbkdf2Sync(password, salt, iterations, 32, 'sha256')
  const hmac = (key: Buffer, text: string): Buffer => createHmac('sha256', key).update(text).digest()
  const storedKey = createHash('sha256').update(hmac(salted, 'Client Key')).digest()
  const serverKey = hmac(salted, 'Server Key')
  return `SCRAM-SHA-256$${iterations}:${salt.toString('base64')}$${storedKey.toString('base64')}:${serverKey.toString('base64')}`
}

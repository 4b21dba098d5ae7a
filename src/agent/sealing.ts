import { createCipheriv, createDecipheriv, hkdfSync, randomBytes } from 'node:crypto'
import { readFileSync } from 'node:fs'

/** Seals what an instance is given, because it must be started again while nobody else is there to ask, yet not lie open on the disk. */
export const createSealing = (masterKeyFile: string) => {
  const key = Buffer.from(hkdfSync('sha256', readFileSync(masterKeyFile), '', 'headway agent instance environment', 32))
  return {
    seal: (name: string, plain: string): string => {
      const nonce = randomBytes(12)
      const cipher = createCipheriv('aes-256-gcm', key, nonce).setAAD(Buffer.from(name))
      const sealed = Buffer.concat([cipher.update(plain, 'utf8'), cipher.final()])
      return Buffer.concat([nonce, cipher.getAuthTag(), sealed]).toString('base64')
    },
    open: (name: string, text: string): string => {
      const bytes = Buffer.from(text, 'base64')
      const decipher = createDecipheriv('aes-256-gcm', key, bytes.subarray(0, 12)).setAAD(Buffer.from(name))
      decipher.setAuthTag(bytes.subarray(12, 28))
      return Buffer.concat([decipher.update(bytes.subarray(28)), decipher.final()]).toString('utf8')
    },
  }
}
export type Sealing = ReturnType<typeof createSealing>

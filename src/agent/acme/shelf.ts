import { randomBytes, X509Certificate } from 'node:crypto'
import {
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { basename, join } from 'node:path'
import { effectSync } from '../../effect.ts'
import { syncDirectory, writeDurably } from '../../processes/files.ts'
import { fields, finite, text, whole } from '../check.ts'
import type { Held, Tries } from './due.ts'

/**
 * Where ordered certificates stand: `certificates/<name>` is a link to a folder in `issued/` that never changes, so that a certificate and
 * its key change together. Beside them the account's key, what is answered to authorities (`challenges/`), and how tries ended.
 */
export type Shelf = {
  held(name: string): Held | null
  tries(name: string): Tries | null
  noteFailure(name: string, tries: Tries): void
  accountKey(make: () => Promise<Buffer>): Promise<Buffer>
  answerChallenge(token: string, answer: string): void
  dropChallenges(): void
  keep(name: string, pair: { certificate: string; key: Buffer }): void
  /** Whether an order that was broken off, or the end of one, left something that is of no use. */
  hasLeftovers(): boolean
  /** Removes that: what is answered to authorities, and certificates with their keys that no name leads to. Only where nobody orders. */
  clear(): void
}

export const openShelf = (directory: string): Shelf => {
  for (const folder of ['', 'certificates', 'issued', 'challenges', 'tries'])
    mkdirSync(join(directory, folder), { recursive: true, mode: 0o700 })
  const linkOf = (name: string): string => join(directory, 'certificates', name)
  const triesOf = (name: string): string => join(directory, 'tries', `${name}.json`)
  /** Links half made, and certificates that no link leads to. */
  const strays = (): string[] => {
    const links = readdirSync(join(directory, 'certificates'), { withFileTypes: true }).filter((one) =>
      one.isSymbolicLink(),
    )
    const isHalf = ({ name }: { name: string }): boolean => name.endsWith('.tmp')
    const linked = new Set(links.filter((one) => !isHalf(one)).map(({ name }) => basename(readlinkSync(linkOf(name)))))
    const issued = readdirSync(join(directory, 'issued')).filter((one) => !linked.has(one))
    return [
      ...links.filter(isHalf).map(({ name }) => linkOf(name)),
      ...issued.map((one) => join(directory, 'issued', one)),
    ]
  }
  const dropChallenges = (): void => {
    for (const token of readdirSync(join(directory, 'challenges')))
      effectSync('agent.acme-challenge-drop', () => rmSync(join(directory, 'challenges', token), { force: true }))
  }
  const tidy = (): void => {
    for (const path of strays()) effectSync('agent.acme-tidy', () => rmSync(path, { recursive: true, force: true }))
  }
  return {
    held: (name) => {
      try {
        const leaf = new X509Certificate(readFileSync(join(linkOf(name), 'fullchain.pem')))
        return { from: leaf.validFromDate.getTime(), until: leaf.validToDate.getTime() }
      } catch {
        return null
      }
    },
    tries: (name) => {
      try {
        const noted = fields(JSON.parse(readFileSync(triesOf(name), 'utf8')), 'tries')
        const failures = whole(noted.failures, 'failures')
        return { failures, notBefore: finite(noted.notBefore, 'notBefore'), why: text(noted.why, 'why') }
      } catch {
        return null
      }
    },
    noteFailure: (name, tries) =>
      effectSync('agent.acme-note-failure', () => writeDurably(triesOf(name), JSON.stringify(tries))),
    accountKey: async (make) => {
      const file = join(directory, 'account.key')
      try {
        return readFileSync(file)
      } catch {
        const key = await make()
        effectSync('agent.acme-account-key', () => writeDurably(file, key))
        return key
      }
    },
    answerChallenge: (token, answer) => {
      if (!/^[A-Za-z0-9_-]{1,128}$/.test(token)) throw new Error('the authority gave a token that is none')
      effectSync('agent.acme-challenge', () =>
        writeFileSync(join(directory, 'challenges', token), answer, { mode: 0o600 }),
      )
    },
    dropChallenges,
    keep: (name, { certificate, key }) => {
      const folder = join(directory, 'issued', `${name}-${randomBytes(6).toString('hex')}`)
      effectSync('agent.acme-issued', () => {
        mkdirSync(folder, { mode: 0o700 })
        writeDurably(join(folder, 'privkey.pem'), key)
        writeDurably(join(folder, 'fullchain.pem'), certificate)
        syncDirectory(join(directory, 'issued'))
      })
      const fresh = `${linkOf(name)}.${process.pid}.tmp`
      effectSync('agent.acme-switch', () => {
        rmSync(triesOf(name), { force: true }) // before the switch: after it nobody would come back for them
        rmSync(fresh, { force: true })
        symlinkSync(`../issued/${basename(folder)}`, fresh)
        renameSync(fresh, linkOf(name))
        syncDirectory(join(directory, 'certificates'))
      })
      tidy()
    },
    hasLeftovers: () => readdirSync(join(directory, 'challenges')).length > 0 || strays().length > 0,
    clear: () => {
      dropChallenges()
      tidy()
    },
  }
}

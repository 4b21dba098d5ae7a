import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { createPrivateKey, X509Certificate } from 'node:crypto'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { challengeAnswer } from '../../edge/doors.ts'
import { acmeDirectory, noSettings, settingsFile } from '../../edge/settings.ts'
import { makeCertificate } from '../../edge/tls/testing.ts'
import { killedAt, killsInARow, lifeEnvironment, marksToKillAt, patienceMs, sideBySide } from '../../kills.testing.ts'
import { startAuthority } from './authority.testing.ts'
import { openShelf } from './shelf.ts'

const wanted = 'shop.example.com'
const refused = 'nobody.example.com'

/** A machine's state in which the name has a certificate that ended yesterday, and an authority that asks there. */
const place = async () => {
  const root = mkdtempSync(join(tmpdir(), 'headway-acme-crash-'))
  const state = join(root, 'agent')
  const kills = join(root, 'kills')
  for (const directory of [state, kills]) mkdirSync(directory)
  const ask = async (_name: string, token: string) =>
    challengeAnswer(state, { path: `/.well-known/acme-challenge/${token}`, method: 'GET' })
  const authority = await startAuthority({ ask, refused: [refused] })
  const { cert, key } = await makeCertificate([wanted], -1)
  openShelf(acmeDirectory(state)).keep(wanted, { certificate: cert, key: Buffer.from(key) })
  const acme = { directory: authority.directory, email: null, names: [], renewAt: 1 / 3, ca: null }
  const tls = { host: '127.0.0.1', port: 0, publicPort: null, certificates: [], redirect: true, acme }
  writeFileSync(settingsFile(state), JSON.stringify({ ...noSettings, tls }))
  return {
    ...{ root, state, kills, authority },
    [Symbol.asyncDispose]: async () => {
      await authority[Symbol.asyncDispose]()
      rmSync(root, { recursive: true, force: true })
    },
  }
}
type Place = Awaited<ReturnType<typeof place>>

const live = async ({ state }: Place, env: Readonly<Record<string, string>>): Promise<NodeJS.Signals | null> => {
  const program = join(import.meta.dirname, 'crash-testing.ts')
  const child = spawn(process.execPath, ['--disable-warning=ExperimentalWarning', program, state, wanted, refused], {
    env: { ...lifeEnvironment(), ...env },
    stdio: ['ignore', 'ignore', 'pipe'],
    timeout: 120_000,
    killSignal: 'SIGTERM',
  })
  let said = ''
  child.stderr.on('data', (chunk: Buffer) => {
    said += chunk
  })
  await once(child, 'close')
  const log = join(state, 'acme.log')
  if (child.exitCode !== 0 && child.signalCode !== 'SIGKILL')
    assert.fail(`${child.signalCode} ${said}${statSync(log, { throwIfNoEntry: false }) ? readFileSync(log) : ''}`)
  return child.signalCode
}

const endOf = ({ state, authority }: Place) => {
  const at = (path: string): string => join(acmeDirectory(state), path)
  const leaf = new X509Certificate(readFileSync(at(`certificates/${wanted}/fullchain.pem`)))
  const key = createPrivateKey(readFileSync(at(`certificates/${wanted}/privkey.pem`)))
  return {
    ...{ names: leaf.subjectAltName, isNew: leaf.validToDate.getTime() > Date.now(), fits: leaf.checkPrivateKey(key) },
    links: readdirSync(at('certificates')),
    issued: readdirSync(at('issued')).length,
    challenges: readdirSync(at('challenges')),
    tries: readdirSync(at('tries')),
    failures: openShelf(acmeDirectory(state)).tries(refused)?.failures,
    accounts: authority.accounts(),
    accountKeyMode: statSync(at('account.key')).mode & 0o777,
  }
}

const whole: ReturnType<typeof endOf> = {
  ...{ names: `DNS:${wanted}`, isNew: true, fits: true },
  links: [wanted],
  issued: 1,
  challenges: [],
  tries: [`${refused}.json`],
  failures: 1,
  accounts: 1,
  accountKeyMode: 0o600,
}

const effects = [
  ...['account', 'account-key', 'challenge', 'challenge-drop', 'complete', 'finalize', 'issued', 'note-failure'],
  ...['order', 'spawn', 'switch', 'tidy'],
].map((what) => `agent.acme-${what}`)

test('killed before or after any effect, a certificate is ordered all the same, and nothing of the earlier try is left', {
  timeout: patienceMs,
}, async () => {
  const passed = await (async () => {
    await using undisturbed = await place()
    const trace = join(undisturbed.root, 'trace')
    await live(undisturbed, { HEADWAY_FAILPOINT_TRACE: trace })
    assert.deepEqual(endOf(undisturbed), whole)
    return readFileSync(trace, 'utf8').split('\n')
  })()
  const marks = [...new Set(passed)].filter((mark) => mark.startsWith('agent.acme-'))
  assert.deepEqual(marks.toSorted(), effects.flatMap((name) => [`${name}:after`, `${name}:before`]).toSorted())
  const faults: string[] = []
  const suffer = async (mark: string): Promise<void> => {
    await using struck = await place()
    const env = killedAt(mark, struck.kills)
    while ((await live(struck, env)) === 'SIGKILL');
    const kills = readdirSync(struck.kills).length
    if (kills < (mark.endsWith(':before') ? killsInARow : 1)) faults.push(`${mark} killed ${kills} times`)
    const end = JSON.stringify(endOf(struck))
    if (end !== JSON.stringify(whole)) faults.push(`${mark}: ${end}`)
  }
  // One waits five seconds for its successor, so many of them cost little.
  await sideBySide(marksToKillAt(marks, ['agent.acme-issued', 'agent.acme-switch']), suffer, 6)
  assert.deepEqual(faults, [])
})

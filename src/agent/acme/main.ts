import { acmeDirectory, loadSettings } from '../../edge/settings.ts'
import { describeError } from '../../problem.ts'
import { takeLock } from '../lock.ts'
import { afterFailure, isDue } from './due.ts'
import { openShelf } from './shelf.ts'

// Orders the certificates that are due, one name after the other, clears what a killed one left, and ends: `node main.ts <state> [<name>...]`.
// A process of its own, because it is needed for seconds in months and what it loads is large. One at a time on a machine.
const [state, ...names] = process.argv.slice(2)
if (state === undefined) {
  process.stderr.write('acme/main.ts is started by the agent: directory, names\n')
  process.exit(64)
}
const say = (line: string): void => void process.stderr.write(`${new Date().toISOString()} ${line}\n`)
const { tls } = loadSettings(state, say)
const shelf = openShelf(acmeDirectory(state))
if (tls?.acme && takeLock(acmeDirectory(state))) {
  shelf.clear()
  if (names.length === 0) process.exit(0)
  const { orderCertificate } = await import('./order.ts')
  for (const name of names) {
    if (!isDue(shelf.held(name), shelf.tries(name), tls.acme.renewAt, Date.now())) continue
    try {
      await orderCertificate(name, tls.acme, shelf)
      say(`acme: ${name} has a certificate of ${tls.acme.directory}`)
    } catch (error) {
      const tries = afterFailure(shelf.tries(name), describeError(error), Date.now())
      shelf.noteFailure(name, tries)
      say(`acme: no certificate for ${name}, tried again at ${new Date(tries.notBefore).toISOString()}: ${tries.why}`)
    }
    shelf.dropChallenges()
  }
}
process.exit(0)

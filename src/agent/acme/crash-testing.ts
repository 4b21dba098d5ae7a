import { systemClock } from '../../clock.ts'
import { acmeDirectory } from '../../edge/settings.ts'
import { lockHolder } from '../lock.ts'
import { keepCertificates } from './keep.ts'
import { openShelf } from './shelf.ts'

// Keeps certificates as an agent does until the first name has one and the second was refused. Goes on where it was killed. Run by crash.test.ts.
const [state = '', wanted = '', refused = ''] = process.argv.slice(2)
const shelf = openShelf(acmeDirectory(state))
keepCertificates({ state, clock: systemClock, say: (line) => console.error(line), names: () => [wanted, refused] })
const isDone = (): boolean =>
  (shelf.held(wanted)?.until ?? 0) > systemClock.now() &&
  shelf.tries(refused) !== null &&
  !shelf.hasLeftovers() &&
  lockHolder(acmeDirectory(state)) === null
while (!isDone()) await systemClock.sleep(50)
process.exit(0)

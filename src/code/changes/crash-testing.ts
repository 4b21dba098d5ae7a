import { defaultProject, RepositoryName } from '../../names.ts'
import { identityNamed, startCodeServer } from '../server-testing.ts'
import { standForBuild } from './testing.ts'

/**
 * Run as a program: serves Git in this directory, has every change pass and merged, takes the first one back when the second one is merged,
 * and says when that is merged, too: `crash-testing.ts <root>`.
 */
const [, , root = ''] = process.argv
const server = await startCodeServer(root)
standForBuild(server.ledger, async () => 'success')
const { changes } = server.code
const key = { project: defaultProject, repository: RepositoryName.parse('shop') }
const ada = identityNamed('developer')

const goOn = async (): Promise<void> => {
  const all = await changes.list({ ...key, limit: 50 })
  for (const { number, status, wish } of all)
    if (status === 'open' && wish === null) await changes.merge({ ...key, number }, { head: null, mends: false }, ada)
  const merged = new Set(all.filter(({ status }) => status === 'merged').map(({ number }) => number))
  if (merged.has(1) && merged.has(2) && all.length === 2) await changes.revert(key, { number: 1 }, false, ada)
  if (merged.size === 3) console.log('merged')
}

let going: Promise<void> = Promise.resolve()
const awaken = (): void => {
  going = going.then(goOn)
}
server.ledger.onAppend(awaken)
console.log(`ready ${server.port}`)
awaken()

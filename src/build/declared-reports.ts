import { parseServiceFile, serviceFolders } from '../golden/index.ts'
import type { CommitReader } from './git.ts'
import { wellKnownReports } from './jobs/reports.ts'

/**
 * The files in which a commit's tests report, as patterns: those that a `headway.yaml` names under `tests`, from its folder; where it
 * names none, or there is none, those of the usual tools.
 */
export const declaredReports = async (reader: CommitReader): Promise<readonly string[]> => {
  const folders = serviceFolders(await reader.list('.'))
  if (folders.length === 0) return wellKnownReports
  const declared = folders.map(async (folder) => {
    const within = (name: string): string => (folder === '.' ? name : `${folder}/${name}`)
    const parsed = parseServiceFile((await reader.read(within('headway.yaml'))) ?? '', 'headway.yaml')
    const own = parsed.kind === 'ok' ? parsed.service.tests : []
    return (own.length > 0 ? own : wellKnownReports).map(within)
  })
  return [...new Set((await Promise.all(declared)).flat())]
}

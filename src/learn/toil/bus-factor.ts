import { existsSync } from 'node:fs'
import type { GitPorts } from '../carry.ts'
import { gitCommand } from '../carry.ts'

/** How many people a repository depends on, over the last year. Nobody is named. */
export type BusFactor = {
  readonly repository: string
  /** The fewest who together have written more than half of the commits; null without any. */
  readonly factor: number | null
  readonly authors: number
  readonly commits: number
}

/** Counts by the addresses that `.mailmap` leads to; merges are nobody's work. Null where there is no such repository. */
export const busFactorOf = async (
  { project, repository, since }: { readonly project: string; readonly repository: string; readonly since: number },
  { repositoryPath, run }: GitPorts,
): Promise<BusFactor | null> => {
  const directory = repositoryPath(project, repository)
  if (!existsSync(directory)) return null
  const after = `--since=@${Math.floor(since / 1000)}`
  const listed = await run(
    gitCommand(directory, ['log', '--no-merges', '--use-mailmap', '--format=%aE', after, '-n', '100000', 'HEAD', '--']),
  )
  if (listed.exitCode !== 0) return null
  const counts = new Map<string, number>()
  for (const author of listed.stdout.toString('utf8').split('\n')) {
    const name = author.trim().toLowerCase()
    if (name !== '') counts.set(name, (counts.get(name) ?? 0) + 1)
  }
  return { repository, ...dependenceOf([...counts.values()]) }
}

/** Git reads a whole history for each, so that many at once would leave nothing of the machine for others. */
const atOnce = 4

/** The same of many, in their order. Those that are not there are left out. */
export const busFactorsOf = async (
  project: string,
  repositories: readonly string[],
  since: number,
  ports: GitPorts,
): Promise<BusFactor[]> => {
  const found: (BusFactor | null)[] = repositories.map(() => null)
  const left = repositories.entries()
  const measureRest = async (): Promise<void> => {
    for (const [place, repository] of left) found[place] = await busFactorOf({ project, repository, since }, ports)
  }
  await Promise.all(Array.from({ length: atOnce }, measureRest))
  return found.filter((one) => one !== null)
}

/** The fewest whose shares come to more than half. */
export const dependenceOf = (shares: readonly number[]): Omit<BusFactor, 'repository'> => {
  const commits = shares.reduce((sum, one) => sum + one, 0)
  let covered = 0
  let factor = 0
  for (const share of shares.toSorted((one, two) => two - one)) {
    if (covered * 2 > commits) break
    covered += share
    factor += 1
  }
  return { factor: commits === 0 ? null : factor, authors: shares.length, commits }
}

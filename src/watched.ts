import type { Deploy, Target } from './deploy/index.ts'
import { targetOfRow } from './deploy/views.ts'
import type { AlertRule } from './golden/alerts.ts'
import type { Watched } from './monitor/alerts/index.ts'
import { type Digest, isPreview } from './names.ts'
import type { Releases } from './package/release.ts'

const actor = 'system:monitor'

/** What the alerts need of deploy: what runs where with which rules, what is on its way, and the requests that people make as well. */
export const createWatched = ({ deploy, releases }: { deploy: Deploy; releases: Pick<Releases, 'open'> }) => {
  const known = new Map<Digest, readonly AlertRule[]>()

  const rulesOf = async (release: Digest): Promise<readonly AlertRule[]> => {
    const rules = known.get(release) ?? (await releases.open(release))?.definition.alerts ?? []
    known.set(release, rules)
    return rules
  }

  const inProgress = async (target: Target): Promise<string | null> =>
    (await deploy.queries.unfinishedOf(target)).at(-1)?.id ?? null

  return {
    /** A release that is on its way is held by the alerts of the one that runs: it cannot do away with what would stop it. */
    watched: async (): Promise<Watched[]> => {
      await deploy.caughtUp()
      const all: Watched[] = []
      for (const row of await deploy.queries.services()) {
        // Nobody's users are in the preview of a change.
        if (row.removed_at !== null || isPreview(row.environment)) continue
        const target = targetOfRow(row)
        const deployment = await deploy.queries.deployment(row.current ?? row.latest)
        const own = deployment ? await rulesOf(deployment.release) : []
        const shared = deploy.book.find(target.environment)?.alerts ?? []
        const rules = [...shared, ...own.filter(({ name }) => !shared.some((one) => one.name === name))]
        if (rules.length > 0) all.push({ target, rules })
      }
      return all
    },

    inProgress,

    halt: async ({ project, service, environment }: Target, reason: string): Promise<string> => {
      const deployment = await inProgress({ project, service, environment })
      if (deployment === null) return 'nothing is on its way that could be halted'
      await deploy.order('pause', { project, name: deployment }, { environment, reason, actor })
      return `paused ${deployment}`
    },

    rollback: async ({ project, service, environment }: Target, reason: string): Promise<string> => {
      const deployment = await inProgress({ project, service, environment })
      if (deployment === null)
        return `rolled back by ${await deploy.rollback({ project, service }, { environment, actor })}`
      await deploy.order('abort', { project, name: deployment }, { environment, reason, actor })
      return `aborted ${deployment}`
    },
  }
}

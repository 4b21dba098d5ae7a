import { z } from 'zod'

/** How a change gets into its target: a commit with two parents, one commit with all of it, or its commits one by one. */
export const MergeMethod = z.enum(['merge', 'squash', 'rebase'])
export type MergeMethod = z.infer<typeof MergeMethod>

/** What guards the merge of changes. It stands in the ledger, not in the repository: no change can change it. */
export const Rules = z.object({
  /** Names of workflows, jobs, or `workflow / job` that must have succeeded; null: every one that runs. */
  requiredChecks: z.array(z.string().min(1).max(200)).max(50).nullable(),
  /** By developers who have neither opened the change nor pushed to it. */
  approvals: z.number().int().min(0).max(20),
  /** Whether an approval counts for later versions, too. */
  keepApprovals: z.boolean(),
  /** Whether nothing is merged while the newest verified commit of the target has failed, except what mends it. */
  holdOnRed: z.boolean(),
  method: MergeMethod,
  /** Whether the checks of a change that a developer has pushed get secrets and a token that may write. */
  trustDevelopers: z.boolean(),
})
export type Rules = z.infer<typeof Rules>

export const defaultRules: Rules = {
  requiredChecks: null,
  approvals: 0,
  keepApprovals: false,
  holdOnRed: false,
  method: 'merge',
  trustDevelopers: false,
}

import { z } from 'zod'
import { EnvironmentName } from '../../names.ts'

const day = 86_400_000

/** What guards the previews of a project. It stands in the ledger: no change can change it. */
export const PreviewRules = z.strictObject({
  isEnabled: z.boolean(),
  /** How many may stand at the same time. */
  quota: z.int().min(0).max(1000),
  /** After so many milliseconds without a new version it is taken down. */
  maxAgeMs: z
    .number()
    .min(60_000)
    .max(365 * day),
  /** The environments of which a change may have the database copied: whoever proposes it reads all that stands there. */
  copyFrom: z.array(EnvironmentName).max(50),
})
export type PreviewRules = z.infer<typeof PreviewRules>

/** Never where users are: an operator names that, or nobody gets it. */
export const defaultPreviewRules: PreviewRules = {
  isEnabled: true,
  quota: 5,
  maxAgeMs: 7 * day,
  copyFrom: [EnvironmentName.parse('staging')],
}

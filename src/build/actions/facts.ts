import { z } from 'zod'
import { defineFact } from '../../ledger/fact.ts'

const action = { owner: z.string(), repository: z.string() }

/** An administrator (or what one allowed) brought the repository of an action here, or what is new in it. Subject `action:<owner>/<repository>`. */
export const actionMirrored = defineFact(
  'action.mirrored',
  1,
  z.object({ ...action, /** A URL or a path of this machine. */ from: z.string(), refs: z.number().int() }),
)
export const actionMirrorRemoved = defineFact('action.mirror-removed', 1, z.object(action))

/** From where actions that are missing here may be fetched by themselves; null: from nowhere. Subject `actions:upstream`. */
export const actionUpstreamSet = defineFact(
  'action.upstream-set',
  1,
  z.object({
    url: z.string().nullable(),
    /** `owner` or `owner/repository`, in lower case. */
    allowed: z.array(z.string()),
  }),
)

export const actionFacts = [actionMirrored, actionMirrorRemoved, actionUpstreamSet] as const

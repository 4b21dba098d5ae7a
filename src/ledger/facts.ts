import { z } from 'zod'
import { defineFact } from './fact.ts'

/** A payload was forgotten for good; its envelope stays, so that the chain still verifies. */
export const payloadErased = defineFact('payload.erased', 1, z.object({ seq: z.number().int(), why: z.string() }))
export const checkpointSigned = defineFact(
  'checkpoint.signed',
  1,
  z.object({ seq: z.number().int(), hash: z.string(), key: z.string() }),
)
/** The control plane came up; `version` is the program's. */
export const serverStarted = defineFact('server.started', 1, z.object({ version: z.string() }))

export const ledgerFacts = [payloadErased, checkpointSigned, serverStarted] as const

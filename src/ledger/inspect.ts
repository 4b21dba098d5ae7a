import { z } from 'zod'
import { commitmentTo, type Envelope, genesis, type Link, linkHash, openEnvelope, text } from './chain.ts'
import { payloadErased } from './facts.ts'

/** A link as it was found; an export has no columns beside the envelope. */
export type InspectedLink = Omit<Link, 'type' | 'subject'> & { readonly type?: string; readonly subject?: string }

export type ChainVerdict =
  | { readonly kind: 'whole'; readonly facts: number; readonly seq: number; readonly hash: string }
  | ChainFault

export type ChainFault = {
  readonly kind: 'broken'
  /** The first fact that is not as it was recorded. */
  readonly seq: number
  readonly what: 'altered' | 'removed' | 'inserted' | 'truncated' | 'rewritten'
  /** One sentence for people. */
  readonly detail: string
}

/** A link as far as it can be understood; `sound` when its hash fits its own envelope, whatever stands before it. */
type Read = { readonly link: InspectedLink; readonly envelope: Envelope | null; readonly sound: boolean }
type Standing = { readonly seq: number; readonly hash: string }

/** Takes the links of a chain in order and says in the end whether they are what was recorded. Sees one link ahead. */
export const createInspector = (checkpoints: readonly Standing[] = []) => {
  const awaited = checkpoints.toSorted((a, b) => a.seq - b.seq)
  const unexplained = new Set<number>()
  let vouchedTo = 0
  let before: Standing = genesis // the link before the tip, to tell an inserted tip
  let tip: Standing = genesis
  let held: InspectedLink | null = null
  let fault: ChainFault | null = null

  const judge = (link: InspectedLink, next: InspectedLink | null): void => {
    const envelope = openEnvelope(link.envelope)
    const hash = linkHash(tip.hash, link.envelope)
    const follows =
      link.seq === tip.seq + 1 &&
      envelope?.seq === link.seq &&
      envelope.previous === tip.hash &&
      Buffer.from(hash, 'hex').equals(link.hash)
    if (!follows) {
      fault = diagnose(before, tip, read(link), next && read(next))
      return
    }
    fault = payloadFault(link, envelope) ?? columnFault(link, envelope)
    if (link.payload === null) unexplained.add(link.seq)
    before = tip
    tip = { seq: link.seq, hash }
    if (!fault) compareWithCheckpoint()
  }

  const compareWithCheckpoint = (): void => {
    while (awaited[0] && awaited[0].seq <= tip.seq) {
      const checkpoint = awaited.shift()
      if (checkpoint?.seq === tip.seq && checkpoint.hash !== tip.hash) fault ??= rewritten(checkpoint, vouchedTo)
      vouchedTo = tip.seq
    }
  }

  /** An erasure explains an older payload's absence, wherever in the chain it stands. */
  const noteErasure = (link: InspectedLink): void => {
    if (link.payload === null || openEnvelope(link.envelope)?.type !== payloadErased.type) return
    const erased = erasedSeq(link.payload)
    if (erased !== null) unexplained.delete(erased)
  }

  return {
    take: (link: InspectedLink): void => {
      if (held && !fault) judge(held, link)
      if (unexplained.size > 0) noteErasure(link)
      held = link
    },
    verdict: (): ChainVerdict => {
      if (held && !fault) judge(held, null)
      held = null
      const [silenced] = [...unexplained].sort((a, b) => a - b)
      if (silenced !== undefined && !(fault && fault.seq < silenced)) return unrecordedErasure(silenced)
      if (fault) return fault
      const missing = awaited.at(-1)
      if (missing) return truncated(missing, tip.seq)
      return { kind: 'whole', facts: tip.seq, seq: tip.seq, hash: tip.hash }
    },
  }
}

const read = (link: InspectedLink): Read => {
  const envelope = openEnvelope(link.envelope)
  const sound = envelope !== null && Buffer.from(linkHash(envelope.previous, link.envelope), 'hex').equals(link.hash)
  return { link, envelope, sound }
}

/** Why a link does not follow the tip. A sound link was written by the ledger, so that the fault lies in what stands before it. */
const diagnose = (before: Standing, tip: Standing, { link, envelope, sound }: Read, next: Read | null): ChainFault => {
  const expected = tip.seq + 1
  if (link.seq < expected) return inserted(link.seq, `it stands before fact ${expected}, where none belongs`)
  if (sound && envelope) {
    if (envelope.previous === before.hash && tip.seq > 0)
      return inserted(tip.seq, 'the fact after it follows the one before it')
    if (envelope.seq > expected) return removed(expected, envelope.seq - 1)
    if (envelope.seq < expected) return inserted(link.seq, `it is a copy of fact ${envelope.seq}`)
    if (envelope.previous !== tip.hash)
      return altered(Math.max(tip.seq, 1), null, `fact ${link.seq} was recorded after another one`)
    return removed(expected, link.seq - 1)
  }
  if (next?.sound && next.envelope?.seq === expected && next.envelope.previous === tip.hash)
    return inserted(link.seq, `fact ${next.link.seq} follows the one before it`)
  if (link.seq > expected) return removed(expected, link.seq - 1)
  if (!next && envelope && envelope.previous !== tip.hash)
    return inserted(link.seq, 'it does not follow the last fact of the chain')
  const onlyHash = next?.sound && next.envelope?.previous === linkHash(tip.hash, link.envelope)
  return altered(
    link.seq,
    envelope,
    onlyHash ? 'its stored hash is not that of its envelope' : 'its envelope does not have the hash that was recorded',
  )
}

const payloadFault = ({ seq, salt, payload }: InspectedLink, envelope: Envelope): ChainFault | null => {
  if (payload === null) return null
  if (salt && commitmentTo(salt, payload) === envelope.commitment) return null
  return altered(seq, envelope, 'its payload is not the one that its envelope vouches for')
}

const columnFault = ({ seq, type, subject }: InspectedLink, envelope: Envelope): ChainFault | null => {
  if (type !== undefined && type !== envelope.type)
    return altered(seq, envelope, `the column "type" beside its envelope says ${type}`)
  if (subject !== undefined && subject !== envelope.subject)
    return altered(seq, envelope, `the column "subject" beside its envelope says ${subject}`)
  return null
}

const erasedSeq = (payload: Uint8Array): number | null => {
  try {
    return z.object({ seq: z.number() }).parse(JSON.parse(text(payload))).seq
  } catch {
    return null
  }
}

const broken = (seq: number, what: ChainFault['what'], detail: string): ChainFault => ({
  kind: 'broken',
  seq,
  what,
  detail,
})

const altered = (seq: number, envelope: Envelope | null, why: string): ChainFault => {
  const about = envelope ? ` (${envelope.type}, ${envelope.subject})` : ''
  return broken(seq, 'altered', `fact ${seq}${about} was altered: ${why}`)
}

const inserted = (seq: number, why: string): ChainFault =>
  broken(seq, 'inserted', `fact ${seq} was inserted, the ledger did not record it: ${why}`)

const removed = (first: number, last: number): ChainFault =>
  broken(first, 'removed', last > first ? `facts ${first} to ${last} were removed` : `fact ${first} was removed`)

const unrecordedErasure = (seq: number): ChainFault =>
  broken(seq, 'altered', `fact ${seq} was altered: its payload is gone, and no erasure of it is recorded`)

const truncated = (checkpoint: Standing, last: number): ChainFault =>
  broken(
    last + 1,
    'truncated',
    `the ledger was truncated: fact ${last + 1} and those after it are missing; a checkpoint was signed at fact ${checkpoint.seq}`,
  )

const rewritten = (checkpoint: Standing, vouchedTo: number): ChainFault =>
  broken(
    vouchedTo + 1,
    'rewritten',
    `the ledger was rewritten between fact ${vouchedTo + 1} and fact ${checkpoint.seq}: the chain fits itself, but not the checkpoint that was signed at fact ${checkpoint.seq}`,
  )

/**
 * How a job is kept from running twice at once although the network, the server and the runner may each fail at any instant.
 *
 * A runner has a job for as long as it holds the lease. It renews all its leases with every exchange: the server counts `leaseMs` from when it
 * received the request, the runner from when it *sent* it, which was earlier. Short of `killMarginMs` before the end as the runner counts it,
 * the runner kills the job, whatever the server may think; a second process beside it (the watchdog) does so too, in case the runner itself
 * hangs or was killed. The server gives the job to another no sooner than `graceMs` after the end as the server counts it.
 *
 * Assumed of the clocks: both are monotonic, and over one lease they run equally fast within (killMarginMs + graceMs) / leaseMs, a quarter
 * (real ones keep within a thousandth). Nothing is assumed of the time of day. Time during which a machine is suspended counts where the
 * kernel tells it (CLOCK_BOOTTIME, read from /proc/uptime); a virtual machine that is paused without its kernel knowing may go on with a
 * job for one look of its runner at the server (`killTickMs`, then an exchange) after it is woken. What it then reports is refused all
 * the same: results carry the lease's fencing token.
 *
 * After a restart the server knows of no renewal; all that there were came before, so it counts from its own start.
 */
export type LeaseRules = {
  readonly leaseMs: number
  readonly killMarginMs: number
  readonly graceMs: number
  /** How often the runner and its watchdog look at the clock. */
  readonly killTickMs: number
}

export const leaseRules: LeaseRules = { leaseMs: 60_000, killMarginMs: 10_000, graceMs: 5_000, killTickMs: 250 }

/** When a runner must have killed a job, on its own clock, of which it renewed the lease by a request sent at that time. */
export const killAtMs = (sentAtMs: number, { leaseMs, killMarginMs }: LeaseRules): number =>
  sentAtMs + leaseMs - killMarginMs

/** From when on the server may give the job to another, on its own clock. */
export const reassignAtMs = (receivedAtMs: number, { leaseMs, graceMs }: LeaseRules): number =>
  receivedAtMs + leaseMs + graceMs

/** A lease as the server knows it. */
export type Lease = {
  /** The fencing token. */
  readonly fence: number
  readonly runner: string
  readonly session: string
  /** The exchange in whose answer it was given away. */
  readonly turn: number
  readonly status: 'held' | 'returned' | 'over'
  /** When the server last heard of it from its runner, on the server's monotonic clock. */
  readonly heardAtMs: number
}

/** What the server tells a runner about a job that it says it has. */
export type Verdict =
  /** Its lease is renewed. */
  | 'goes on'
  /** Somebody cancelled it; the lease is renewed. */
  | 'cancel'
  /** It is not the runner's, or not any more: it is to be killed, and nothing of it will be taken. */
  | 'stop'
  /** It is over and recorded; nothing of it need be kept. */
  | 'forget'

/** What is so whoever asks and whatever they say; a held lease goes on. */
export const judge = (lease: Lease | undefined, runner: string): Verdict => {
  if (!lease || lease.runner !== runner || lease.status === 'returned') return 'stop'
  return lease.status === 'over' ? 'forget' : 'goes on'
}

/** Why a lease that is held ends now without a result; null: it goes on. */
export const endOf = (
  lease: Lease,
  heard: { readonly session: string; readonly turn: number; readonly fences: ReadonlySet<number> } | null,
  nowMs: number,
  rules: LeaseRules,
): { readonly why: 'never arrived' | 'silent' } | null => {
  if (lease.status !== 'held') return null
  if (nowMs >= reassignAtMs(lease.heardAtMs, rules)) return { why: 'silent' }
  // A runner's process has one exchange at a time: the one that comes next was sent when the answer before was read or lost for ever.
  const isMissing =
    heard !== null && heard.session === lease.session && heard.turn > lease.turn && !heard.fences.has(lease.fence)
  return isMissing ? { why: 'never arrived' } : null
}

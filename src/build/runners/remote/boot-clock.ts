import { readFileSync } from 'node:fs'
import { type Clock, systemClock } from '../../../clock.ts'

/**
 * Milliseconds since the machine was started, those included during which it was suspended (CLOCK_BOOTTIME): the same for every process
 * of the machine. Where there is no /proc, those since some instant, without them.
 */
const bootMs = (): number => {
  try {
    return Number(readFileSync('/proc/uptime', 'latin1').split(' ')[0]) * 1000
  } catch {
    return Number(process.hrtime.bigint() / 1_000_000n)
  }
}

/** The clock that leases are counted on at a runner, and by its watchdog. */
export const bootClock: Clock = { ...systemClock, monotonicMs: bootMs }

import type { TrafficMinute } from '../agent/protocol.ts'
import type { JudgePlan } from './judging.ts'

/** Fewer requests than this are no record. */
const leastRequests = 100
/** Errors may be so many times as frequent as the record has them, and at least one in a hundred more. */
const mostTimes = 2
const leastMore = 0.01

/**
 * By what a release is watched that has all traffic: without a version beside it there is nothing to compare, so that the record of the
 * one before it is a threshold, and is called one.
 */
export const watchedAgainst = (plan: JudgePlan, minutes: readonly TrafficMinute[], version: string): JudgePlan => {
  const own = minutes.filter((minute) => minute.version === version)
  const requests = own.reduce((sum, minute) => sum + minute.requests, 0)
  const errors = own.reduce((sum, { classes }) => sum + classes.c5 + classes.failed, 0)
  if (requests < leastRequests) return plan
  const below = Math.min(1, Math.max((mostTimes * errors) / requests, errors / requests + leastMore))
  return { ...plan, thresholds: [...plan.thresholds, { metric: 'error-rate', below }] }
}

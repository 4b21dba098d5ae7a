import type { Failure } from './facts.ts'

/** A failure of which only this much is known. */
export const failureFor = (detail: string, known: Partial<Failure> = {}): Failure => ({
  job: null,
  step: null,
  command: null,
  exitCode: null,
  lastLines: [],
  where: null,
  ...known,
  detail,
})

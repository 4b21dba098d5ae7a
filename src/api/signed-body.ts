import type { Readable } from 'node:stream'
import { Problem } from '../problem.ts'

/** What other systems send is signed, and known to be only once it was read. GitHub's largest is a push of 2,048 commits. */
export const largestSignedBody = 5 * 1024 * 1024
/** Whoever announces a body and never sends it shall not hold a connection for as long as a push may take. */
const patienceMs = 30_000

type Limits = { readonly mostBytes: number; readonly patienceMs: number }

/**
 * The bytes of a request as they came. One that did not say how long it is is cut where it becomes too long: what is past that is never
 * held. Rejects with a Problem: 413 beyond `mostBytes`, 408 when it is not there after `patienceMs`, 400 when the connection broke.
 */
export const readSignedBody = (
  incoming: Readable,
  limits: Limits = { mostBytes: largestSignedBody, patienceMs },
): Promise<Uint8Array> =>
  new Promise((resolve, reject) => {
    const parts: Buffer[] = []
    let sizeBytes = 0
    const settle = (end: () => void): void => {
      clearTimeout(timer)
      incoming.off('data', take).off('end', whole).off('close', broken)
      end()
    }
    const refuse = (problem: Problem): void => settle(() => reject(problem))
    const take = (part: Buffer): void => {
      sizeBytes += part.length
      parts.push(part)
      if (sizeBytes > limits.mostBytes) refuse(tooLarge(limits.mostBytes))
    }
    const whole = (): void => settle(() => resolve(Buffer.concat(parts)))
    const broken = (): void => refuse(brokenOff())
    const timer = setTimeout(() => refuse(tooSlow(limits.patienceMs)), limits.patienceMs)
    incoming.on('error', broken) // stays, as nobody else listens for what breaks after the answer
    incoming.on('data', take).on('end', whole).on('close', broken)
  })

export const tooLarge = (mostBytes: number): Problem =>
  new Problem({
    kind: 'too-large',
    status: 413,
    detail: `the body of a request has at most ${mostBytes} bytes`,
    next: 'send less at once',
  })
export const tooSlow = (ms: number): Problem =>
  new Problem({
    kind: 'too-slow',
    status: 408,
    detail: `the body of the request was not there after ${Math.round(ms / 1000)} s`,
    next: 'send it at once with its headers',
  })
const brokenOff = (): Problem =>
  new Problem({
    kind: 'broken-off',
    status: 400,
    detail: 'the connection ended before the body of the request did',
    next: 'send it again',
  })

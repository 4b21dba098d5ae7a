import { Problem, type ProblemDetails } from '../problem.ts'
import { flawsIn } from './flaws.ts'

/** No answer of ours that is a page runs a script or asks another host for anything, and none may be framed. */
export const protection = {
  'x-content-type-options': 'nosniff',
  'referrer-policy': 'no-referrer',
  'x-frame-options': 'DENY',
  'cross-origin-resource-policy': 'same-origin',
  'content-security-policy':
    "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
} as const

/** The body of RFC 9457 for a problem. */
export const problemBody = (problem: ProblemDetails) => ({
  type: `urn:headway:problem:${problem.kind}`,
  title: titleOf(problem.kind),
  status: problem.status,
  detail: problem.detail,
  ...(problem.where ? { where: problem.where } : {}),
  ...(problem.next === undefined ? {} : { next: problem.next }),
})

/** What an error is to the one who asked; what is none of his business is told by its request id alone. */
export const problemOf = (error: unknown, requestId: string): Problem => {
  if (error instanceof Problem) return error
  return new Problem(
    {
      kind: 'internal',
      status: 500,
      detail: `Headway failed to answer (request ${requestId})`,
      next: 'try again; the server log says more under that request',
    },
    { cause: error },
  )
}

/** A request that is not as its schema says, named by the first place where it is not. */
export const invalidRequest = (part: string, issues: Parameters<typeof flawsIn>[0]): Problem => {
  const flaws = flawsIn(issues)
  const named = flaws.map(({ path, said }) => (path ? `${path}: ${said}` : said))
  const path = flaws[0]?.path || part
  return new Problem({
    kind: 'invalid-request',
    status: 400,
    detail: named.join('; ') || `the ${part} of the request is not as it should be`,
    where: { path },
    next: 'see /api for what this call takes',
  })
}

const titleOf = (kind: string): string => kind.charAt(0).toUpperCase() + kind.slice(1).replaceAll('-', ' ')

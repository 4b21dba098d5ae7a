import type { Context } from 'hono'
import { HTTPException } from 'hono/http-exception'
import type { ContentfulStatusCode } from 'hono/utils/http-status'
import { Problem, type ProblemDetails } from '../problem.ts'

/** The body of RFC 9457 for a problem. */
export const problemBody = (problem: ProblemDetails) => ({
  type: `urn:headway:problem:${problem.kind}`,
  title: titleOf(problem.kind),
  status: problem.status,
  detail: problem.detail,
  ...(problem.where ? { where: problem.where } : {}),
  ...(problem.next === undefined ? {} : { next: problem.next }),
})

export const problemResponse = (
  context: Context,
  problem: ProblemDetails,
  headers: Readonly<Record<string, string>> = {},
): Response =>
  context.body(JSON.stringify(problemBody(problem)), contentful(problem.status), {
    ...headers,
    'content-type': 'application/problem+json',
  })

/** What an error is to the one who asked; what is none of his business is told by its request id alone. */
export const problemOf = (error: unknown, requestId: string): Problem => {
  if (error instanceof Problem) return error
  if (error instanceof HTTPException)
    return new Problem({
      kind: kindOf(error.status),
      status: error.status,
      detail: error.message || kindOf(error.status),
    })
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

type Issue = { readonly path: readonly PropertyKey[]; readonly message: string }

/** A request that is not as its schema says, named by the first place where it is not. */
export const invalidRequest = (part: string, issues: readonly Issue[]): Problem => {
  const named = issues.map(({ path, message }) =>
    path.length > 0 ? `${path.map(String).join('.')}: ${message}` : message,
  )
  const [first] = issues
  const path = first && first.path.length > 0 ? first.path.map(String).join('.') : part
  return new Problem({
    kind: 'invalid-request',
    status: 400,
    detail: named.join('; ') || `the ${part} of the request is not as it should be`,
    where: { path },
    next: 'see /api for what this call takes',
  })
}

const kindOf = (status: number): string =>
  ({ 400: 'invalid-request', 413: 'too-large', 415: 'unsupported-media-type' })[status] ?? `http-${status}`

const titleOf = (kind: string): string => kind.charAt(0).toUpperCase() + kind.slice(1).replaceAll('-', ' ')

/** The statuses of problems are those of errors, which have a body. */
const contentful = (status: number): ContentfulStatusCode =>
  (status >= 400 && status <= 599 ? status : 500) as ContentfulStatusCode

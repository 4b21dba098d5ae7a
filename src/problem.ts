/** Where in a file or a request something went wrong; lines and columns count from 1. */
export type Place = { readonly file?: string; readonly line?: number; readonly column?: number; readonly path?: string }

export type ProblemDetails = {
  /** A stable slug, published as `urn:headway:problem:<kind>`: `port-in-use`, `unknown-key`. */
  readonly kind: string
  readonly status: number
  /** What went wrong, in one sentence that names the thing it went wrong with. */
  readonly detail: string
  readonly where?: Place
  /** What to do next: a command or an edit, never "contact your administrator". */
  readonly next?: string
}

/**
 * An error that a person will read: what, where and what next. The API sends it as RFC 9457 problem details, the command
 * line prints it, a push shows it. Keeps its cause. Never holds a secret.
 */
export class Problem extends Error implements ProblemDetails {
  readonly kind: string
  readonly status: number
  readonly detail: string
  readonly where?: Place
  readonly next?: string

  constructor(details: ProblemDetails, options?: ErrorOptions) {
    super(details.detail, options)
    this.name = 'Problem'
    this.kind = details.kind
    this.status = details.status
    this.detail = details.detail
    if (details.where) this.where = details.where
    if (details.next !== undefined) this.next = details.next
  }
}

/** The problem as a person reads it in a terminal: `file:line:column: what` and, beneath it, what to do next. */
export const describeProblem = (problem: ProblemDetails): string => {
  const { file, line, column, path } = problem.where ?? {}
  const place = [file ?? path, line, column].filter((part) => part !== undefined).join(':')
  // What a request's schema says begins with the very path.
  const isSaid = file === undefined && problem.detail.startsWith(`${place}: `)
  const first = place && !isSaid ? `${place}: ${problem.detail}` : problem.detail
  return problem.next ? `${first}\n  next: ${problem.next}` : first
}

/** The same in one line, as it stands in a list of several: `file:line:column: what (what to do next)`. */
export const problemLine = ({ next, ...problem }: ProblemDetails): string =>
  next === undefined ? describeProblem(problem) : `${describeProblem(problem)} (${next})`

/** Any thrown value as one line for a log or a message, its causes included, unless they say the same. */
export const describeError = (error: unknown): string => {
  if (!(error instanceof Error)) return String(error)
  const cause = error.cause === undefined ? error.message : describeError(error.cause)
  return error.message.includes(cause) ? error.message : `${error.message} (because: ${cause})`
}

/** Ends an exhaustive switch: a new member of the union breaks the build where it is not handled. */
export const unreachable = (value: never): never => {
  throw new Error(`unreachable: ${JSON.stringify(value)}`)
}

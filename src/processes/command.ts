/**
 * A program to run, as a value: the tests read it, one runner runs it. Secrets go into `env` or `input`, never into `argv`.
 */
export type Command = {
  readonly argv: readonly [string, ...string[]]
  readonly cwd?: string
  /** The whole environment of the program; nothing is inherited. */
  readonly env?: Readonly<Record<string, string>>
  readonly input?: string | Uint8Array
  /** Run as this unprivileged user (only possible when Headway itself is root). */
  readonly user?: RunAs
  readonly timeoutMs?: number
  /** Output beyond this is an error, not a truncation. Default 64 MiB. */
  readonly maxOutputBytes?: number
}

/** Numeric user and group; they need no entry in /etc/passwd. */
export type RunAs = { readonly uid: number; readonly gid: number }

export type CommandOutcome = {
  readonly exitCode: number | null
  readonly signal: NodeJS.Signals | null
  readonly stdout: Buffer
  readonly stderr: string
  readonly timedOut: boolean
}

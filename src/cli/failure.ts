import { printable } from './output.ts'

export type Told = {
  readonly job: string | null
  readonly step: string | null
  readonly command: string | null
  readonly exitCode: number | null
  readonly detail: string
  readonly lastLines: readonly string[]
  readonly where: {
    readonly file?: string | undefined
    readonly line?: number | undefined
    readonly column?: number | undefined
  } | null
}
type Ended = { readonly conclusion: string | null; readonly failure: Told | null }

/** How many failures of a run are told in full. */
const mostTold = 10

/** What failed in a run: in each job that failed, else in the run itself; for a terminal, indented, behind a sign. */
export const failedLines = (own: Told, jobs: readonly Ended[], sign: string): string[] => {
  const failures = jobs.flatMap(({ conclusion, failure }) => (conclusion === 'failure' && failure ? [failure] : []))
  const told = failures.length > 0 ? failures.slice(0, mostTold) : [own]
  const left = failures.length - mostTold
  return [...told.flatMap((one) => linesOf(one, sign)), ...(left > 0 ? ['', `  and ${left} more jobs failed`] : [])]
}

/** What failed, where and how, the command, and the last that it said. */
const linesOf = ({ job, step, command, exitCode, detail, lastLines, where }: Told, sign: string): string[] => {
  const place = [where?.file, where?.line, where?.column].filter((part) => part !== undefined).join(':')
  const who = [job, step && !detail.startsWith(`${step}:`) ? step : null].filter((part) => part !== null)
  const code = exitCode === null || detail.includes(`exit code ${exitCode}`) ? '' : ` (exit code ${exitCode})`
  const before = [place, who.join(', ')].filter(Boolean).map((part) => `${part}: `)
  const lines = command?.split('\n') ?? []
  return [
    '',
    `  ${sign} ${printable(`${before.join('')}${detail}`)}${code}`,
    ...lines.map((line, at) => `    ${at === 0 ? '$' : ' '} ${printable(line)}`),
    ...lastLines.map((line) => `    │ ${printable(line)}`),
  ]
}

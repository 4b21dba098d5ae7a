import { printable } from './output.ts'

type Told = {
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

/** What failed, where and how, the command, and the last that it said: for a terminal, indented, behind a sign. */
export const printFailed = ({ job, step, command, exitCode, detail, lastLines, where }: Told, sign: string): void => {
  const place = [where?.file, where?.line, where?.column].filter((part) => part !== undefined).join(':')
  const who = [job, step && !detail.startsWith(`${step}:`) ? step : null].filter((part) => part !== null)
  const code = exitCode === null || detail.includes(`exit code ${exitCode}`) ? '' : ` (exit code ${exitCode})`
  const before = [place, who.join(', ')].filter(Boolean).map((part) => `${part}: `)
  console.log(`\n  ${sign} ${printable(`${before.join('')}${detail}`)}${code}`)
  const lines = command?.split('\n') ?? []
  lines.forEach((line, at) => {
    console.log(`    ${at === 0 ? '$' : ' '} ${printable(line)}`)
  })
  for (const line of lastLines) console.log(`    │ ${printable(line)}`)
}

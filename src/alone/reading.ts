import { spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { fields, list, text, whole } from '../agent/check.ts'
import { cleanEnvironment } from '../agent/start.ts'
import type { EdgeRoute } from '../edge/protocol.ts'
import { parseTable } from '../edge/table.ts'
import { effectSync } from '../effect.ts'
import type { ProblemDetails } from '../problem.ts'

export type Reading =
  | { readonly kind: 'ok'; readonly routes: readonly EdgeRoute[] }
  | { readonly kind: 'refused'; readonly problems: readonly ProblemDetails[] }

/** The routes in a file, or everything that is wrong with it; read.ts does it, in a process of its own. */
export const readInProcess = async (file: string): Promise<Reading> => {
  const suffix = import.meta.url.endsWith('.ts') ? '.ts' : '.js'
  const program = fileURLToPath(new URL(`./read${suffix}`, import.meta.url))
  const child = effectSync('alone.read', () =>
    spawn(process.execPath, ['--disable-warning=ExperimentalWarning', program, file], {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: cleanEnvironment(),
    }),
  )
  const said = { out: '', error: '' }
  child.stdout.setEncoding('utf8').on('data', (chunk: string) => {
    said.out += chunk
  })
  child.stderr.setEncoding('utf8').on('data', (chunk: string) => {
    said.error += chunk
  })
  await new Promise<void>((done, failed) => {
    child.once('error', failed)
    child.once('close', () => done())
  })
  if (said.out === '') throw new Error(`${file} could not be read: ${said.error.trim()}`)
  const answer = fields(JSON.parse(said.out), 'answer')
  if (answer.problems !== undefined) return { kind: 'refused', problems: list(answer.problems, 'problems', problemIn) }
  return { kind: 'ok', routes: parseTable({ generation: 0, routes: answer.routes }).routes }
}

const problemIn = (value: unknown, at: string): ProblemDetails => {
  const given = fields(value, at)
  const { file, line, column } = fields(given.where ?? {}, `${at}.where`)
  return {
    kind: text(given.kind, `${at}.kind`),
    status: whole(given.status, `${at}.status`),
    detail: text(given.detail, `${at}.detail`),
    ...(given.next === undefined ? {} : { next: text(given.next, `${at}.next`) }),
    where: {
      ...(file === undefined ? {} : { file: text(file, `${at}.file`) }),
      ...(line === undefined ? {} : { line: whole(line, `${at}.line`) }),
      ...(column === undefined ? {} : { column: whole(column, `${at}.column`) }),
    },
  }
}

/** How many routes there are, as a person says it. */
export const routesInWords = (count: number): string => (count === 1 ? '1 route' : `${count} routes`)

import { setTimeout as delay } from 'node:timers/promises'
import { stripVTControlCharacters } from 'node:util'
import type { Command } from 'commander'
import { shortCommit } from '../names.ts'
import { Problem } from '../problem.ts'
import type { Explanation } from '../release/index.ts'
import { at, type Client, connect, type GlobalOptions } from './client.ts'
import { ago, printable, printJson, printTable, span, stateColour } from './output.ts'
import { logLine, type Rollout, type RolloutView, renderRollout, type StoryLine, statusLine } from './rollout-view.ts'

const lookEveryMs = 1_000
/** Where nobody looks at a screen, so often is said how it stands. */
const sayEveryMs = 15_000

/** `headway rollout [service]`: what is on its way, live until it ends. */
export const liveRollout = (rollout: Command): void => {
  rollout
    .argument('[service]', 'a service or a rollout; by default what is on its way')
    .option('--once', 'how it stands now, and no more')
    .action(async (name: string | undefined, { once }: { once?: boolean }, command: Command) => {
      const options = command.optsWithGlobals<GlobalOptions>()
      const client = connect(options)
      const chosen = await choose(client, options.project, name)
      if (!chosen) {
        if (options.json) return printJson(null)
        return console.log(
          name === undefined
            ? 'nothing is on its way: headway history shows what was'
            : `nothing of ${name} was released yet: headway status lists the services`,
        )
      }
      const look = () => viewOf(client, options.project, chosen.deployment)
      const first = await look()
      if (options.json) return printJson(first)
      const isLive = once !== true && first.rollout.outcome === null
      if (process.stdout.isTTY && isLive) await onScreen(look, first)
      else await inLines(look, first, isLive)
    })
}

/** The newest of a service, else the one that is on its way; when there are several, they are listed. */
const choose = async (client: Client, project: string, name: string | undefined): Promise<Rollout | null> => {
  const path = at`/projects/${project}/rollouts`
  if (name?.startsWith('deployment-')) return client.get<Rollout>(`${path}${at`/${name}`}`)
  const all = await client.get<Rollout[]>(path, name === undefined ? { limit: 200 } : { service: name, limit: 20 })
  const underWay = all.filter(({ outcome }) => outcome === null)
  const [first] = underWay
  if (underWay.length > 1 && name === undefined)
    throw new Problem({
      kind: 'several-rollouts',
      status: 409,
      detail: `${underWay.length} rollouts are under way: ${underWay.map((one) => `${one.service} in ${one.environment}`).join(', ')}`,
      next: 'headway rollout <service> shows one of them',
    })
  return first ?? (name === undefined ? null : (all[0] ?? null))
}

const viewOf = async (client: Client, project: string, deployment: string): Promise<RolloutView> => {
  const path = at`/projects/${project}/rollouts/${deployment}`
  const [rollout, story] = await Promise.all([client.get<Rollout>(path), client.get<StoryLine[]>(`${path}/story`)])
  const why = rollout.phase === 'starting' ? null : await whyOf(client, path)
  return { rollout, story, why }
}

/** What was refused before it had instances was never judged. */
const whyOf = async (client: Client, path: string): Promise<Explanation | null> => {
  try {
    return await client.get<Explanation>(`${path}/why`, { points: 60 })
  } catch (error) {
    if (error instanceof Problem && error.kind === 'rollout-not-found') return null
    throw error
  }
}

/** Drawn anew each second in a screen of its own, which is given back however it ends; its last state stays to be read. */
const onScreen = async (look: () => Promise<RolloutView>, first: RolloutView): Promise<void> => {
  const out = process.stdout
  const leave = (): boolean => out.write('\u001b[?25h\u001b[?1049l')
  const interrupted = new AbortController()
  const onSignal = (): void => interrupted.abort()
  process.once('SIGINT', onSignal)
  process.once('SIGTERM', onSignal)
  out.write('\u001b[?1049h\u001b[?25l')
  let view = first
  try {
    while (!interrupted.signal.aborted) {
      const lines = fitted((rows) => renderRollout(view, Date.now(), rows), out)
      out.write(`\u001b[H${lines.map((line) => `${line}\u001b[K`).join('\r\n')}\u001b[J`)
      if (view.rollout.outcome !== null) break
      await delay(lookEveryMs, undefined, { signal: interrupted.signal }).catch(() => {})
      view = await look()
    }
  } finally {
    process.off('SIGINT', onSignal)
    process.off('SIGTERM', onSignal)
    leave()
  }
  say(renderRollout(view, Date.now(), Number.POSITIVE_INFINITY))
}

/** Folded where it is read on a screen. */
const say = (lines: readonly string[]): void => {
  const { isTTY, columns } = process.stdout
  for (const line of isTTY ? lines.flatMap((one) => folded(one, columns)) : lines) console.log(line)
}

/** As many lines as the screen has rows, the long ones folded, or its top would be pushed out. */
export const fitted = (
  render: (rows: number) => string[],
  { rows, columns }: { readonly rows: number; readonly columns: number },
): string[] => {
  const all = (lines: readonly string[]): string[] => lines.flatMap((line) => folded(line, columns))
  const whole = render(rows)
  const lines = render(Math.max(1, rows - (all(whole).length - whole.length)))
  while (lines.length > 1 && all(lines).length > rows) lines.pop()
  return all(lines)
}

const widthOf = (text: string): number => stripVTControlCharacters(text).length

/** A line in pieces that the screen is wide enough for, cut between words and beneath the first of its text; a longer word is cut anywhere. */
export const folded = (line: string, columns: number): string[] => {
  if (widthOf(line) <= columns) return [line]
  const [indent = ''] = /^ *(\d\d:\d\d:\d\d +)?/.exec(stripVTControlCharacters(line)) ?? []
  const pieces: string[] = []
  let piece = ''
  for (const word of line.split(/(?<=\S)(?= )/)) {
    if (widthOf(piece + word) > columns && piece !== '') {
      pieces.push(piece)
      piece = ' '.repeat(Math.min(indent.length, columns >> 1)) + word.trimStart()
    } else piece += word
    for (; widthOf(piece) > columns && piece === stripVTControlCharacters(piece); piece = piece.slice(columns))
      pieces.push(piece.slice(0, columns))
  }
  return [...pieces, piece]
}

const inLines = async (look: () => Promise<RolloutView>, first: RolloutView, isLive: boolean): Promise<void> => {
  if (!isLive) {
    return say(renderRollout(first, Date.now(), Number.POSITIVE_INFINITY))
  }
  const { service, commit, environment, strategy } = first.rollout
  console.log(`${printable(service)} ${shortCommit(commit)} in ${environment}, ${strategy}`)
  let told = 0
  let saidAt = 0
  for (let view = first; ; view = await look()) {
    for (const line of view.story.filter(({ seq }) => seq > told)) {
      console.log(logLine(line))
      told = line.seq
    }
    if (view.rollout.outcome !== null) return
    if (Date.now() - saidAt >= sayEveryMs) {
      console.log(statusLine(view, Date.now()))
      saidAt = Date.now()
    }
    await delay(lookEveryMs)
  }
}

/** `headway history [service]`. */
export const historyCommand = (program: Command): void => {
  program
    .command('history')
    .argument('[service]')
    .option('--limit <count>', 'how many', '20')
    .description('what was released, how it got there and how it ended, newest first')
    .action(async (service: string | undefined, { limit }: { limit: string }, command: Command) => {
      const options = command.optsWithGlobals<GlobalOptions>()
      const all = await connect(options).get<(Rollout & { detail: string | null })[]>(
        at`/projects/${options.project}/rollouts`,
        { service, limit },
      )
      if (options.json) return printJson(all)
      printTable(
        ['when', 'service', 'environment', 'commit', 'how', 'outcome', 'took', 'why'],
        all.map((one) => [
          ago(one.requestedAt),
          one.service,
          one.environment,
          shortCommit(one.commit),
          one.strategy,
          stateColour(one.outcome ?? `${one.paused ? 'paused' : one.phase} at ${Math.round(one.weightPercent)} %`),
          one.finishedAt === null ? '' : span(one.finishedAt - one.requestedAt),
          shortened(printable(one.detail ?? ''), 80),
        ]),
        service === undefined
          ? 'nothing was released yet: git push headway main'
          : `nothing of ${service} was released yet: headway status lists the services`,
      )
    })
}

const shortened = (text: string, most: number): string => (text.length > most ? `${text.slice(0, most - 1)}…` : text)

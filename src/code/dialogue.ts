import type { Readable, Writable } from 'node:stream'
import { CommitId } from '../names.ts'
import { lineCutter } from '../processes/lines.ts'

/** One ref as a push wants it, or has changed it; null where it is or was not there. */
export type RefUpdate = { readonly ref: string; readonly before: CommitId | null; readonly after: CommitId | null }

/** What a hook tells. */
export type HookCall = {
  readonly hook: 'pre-receive' | 'post-receive'
  readonly updates: readonly RefUpdate[]
  readonly options: readonly string[]
  /** Where the pushed objects are until they are accepted; null when there are none. */
  readonly quarantine: string | null
}

/** The control plane's side of the descriptors that hooks inherit. */
export type Dialogue = {
  /** Shows a line to who pushes. */
  say(line: string): void
  answer(word: 'accept' | 'refuse' | 'end'): void
}

/** Listens to the hooks of one push and answers them; `onCall` is called once per hook. */
export const openDialogue = (fromHook: Readable, toHook: Writable, onCall: (call: HookCall) => void): Dialogue => {
  let lines: string[] = []
  const cutter = lineCutter((line) => {
    if (line !== 'end') return void lines.push(line)
    const call = parseCall(lines)
    lines = []
    if (call) onCall(call)
  })
  fromHook.on('data', (chunk: Buffer) => cutter.push(chunk))
  fromHook.on('error', () => {}) // it has ended
  toHook.on('error', () => {})
  return {
    say: (line) => void toHook.write(`+${line.replaceAll('\n', ' ')}\n`),
    answer: (word) => void toHook.write(`${word}\n`),
  }
}

const parseCall = ([hook, ...lines]: readonly string[]): HookCall | null => {
  if (hook !== 'pre-receive' && hook !== 'post-receive') return null
  const startingWith = (word: string): string[] =>
    lines.filter((line) => line.startsWith(`${word} `)).map((line) => line.slice(word.length + 1))
  return {
    hook,
    updates: lines.filter((line) => !/^(option|quarantine) /.test(line)).map(parseUpdate),
    options: startingWith('option'),
    quarantine: startingWith('quarantine')[0] || null,
  }
}

/** A line that is no update becomes one of a ref by that name, which nobody may have. */
const parseUpdate = (line: string): RefUpdate => {
  const match = /^([0-9a-f]{40}|[0-9a-f]{64}) ([0-9a-f]{40}|[0-9a-f]{64}) (.+)$/s.exec(line)
  if (!match) return { ref: line, before: null, after: null }
  return { before: commitOrNull(match[1]), after: commitOrNull(match[2]), ref: match[3] ?? '' }
}

const commitOrNull = (text = ''): CommitId | null => (/^0+$/.test(text) ? null : CommitId.parse(text))

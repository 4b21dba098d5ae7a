import type { Readable } from 'node:stream'
import { StringDecoder } from 'node:string_decoder'
import { createLineReader, type LineMeaning, mayHoldCommands } from './commands.ts'
import type { JobLog } from './log.ts'
import type { Mask } from './mask.ts'

/** A line without an end is cut here, so that memory stays bounded. */
const longestLine = 64 * 1024

export type OutputReader = {
  /** Reads a program's stdout or stderr into the log, line by line, obeying workflow commands. */
  read(stream: Readable): void
  /** From now on output is only logged: the step is over, what it left running is not. */
  endCommands(): void
  /** What a command was refused for, which fails the step. */
  refusal(): string | null
}

/** Output of one step: commands are obeyed, secrets hidden, the rest is logged. */
export const createOutputReader = (log: JobLog, mask: Mask): OutputReader => {
  const meaningOf = createLineReader()
  let obeys = true
  let refusal: string | null = null

  /** A program's own line must not look like one of our marks. */
  const plain = (line: string): string => `${line.startsWith('##[') ? ' ' : ''}${mask.hide(line)}\n`
  const textFor = (meaning: LineMeaning): string => {
    switch (meaning.kind) {
      case 'print':
        return plain(meaning.text)
      case 'mask':
        mask.add(meaning.value)
        return '::add-mask::***\n'
      case 'annotate':
        return marked(meaning.level, mask.hide(meaning.text))
      case 'group':
        return marked('group', mask.hide(meaning.title))
      case 'end-group':
        return '##[endgroup]\n'
      case 'refuse':
        refusal ??= meaning.detail
        return marked('error', mask.hide(meaning.detail))
      case 'nothing':
        return ''
    }
  }
  const take = (complete: string): boolean => {
    const text = complete.includes('\r') ? complete.replaceAll('\r\n', '\n') : complete
    if (!mayHoldCommands(text)) return log.write(mask.hide(text))
    const lines = text.slice(0, -1).split('\n')
    const written = lines.map((line) => (obeys ? textFor(meaningOf(line)) : plain(line))).join('')
    return written === '' || log.write(written)
  }

  return {
    read: (stream) => {
      const decoder = new StringDecoder('utf8')
      let rest = ''
      let isDropping = false
      const accept = (chunk: string): boolean => {
        let text = rest + chunk
        if (isDropping) {
          const end = text.indexOf('\n')
          if (end < 0) return true
          text = text.slice(end + 1)
          isDropping = false
        }
        const end = text.lastIndexOf('\n') + 1
        rest = text.slice(end)
        let canGoOn = end === 0 || take(text.slice(0, end))
        if (rest.length > longestLine + mask.longest()) {
          canGoOn = log.write(`${mask.hide(rest.slice(0, mask.cutAt(rest, longestLine)))} [line cut]\n`) && canGoOn
          rest = ''
          isDropping = true
        }
        return canGoOn
      }
      stream.on('data', (chunk: Buffer) => {
        if (accept(decoder.write(chunk))) return
        stream.pause()
        log.drained().then(() => stream.resume())
      })
      stream.on('end', () => {
        const last = rest + decoder.end()
        rest = ''
        if (last !== '' && !isDropping) take(`${last}\n`)
      })
      stream.on('error', () => undefined) // the program is gone; what it said until then is logged
    },
    endCommands: () => {
      obeys = false
    },
    refusal: () => refusal,
  }
}

/** A mark in the log; of several lines, each is marked, as nobody may print a mark's continuation as text. */
export const marked = (kind: string, text: string): string =>
  text
    .split('\n')
    .map((line) => `##[${kind}]${line}\n`)
    .join('')

/** A piece of a line in one colour. `tone` null: as the rest; `control`: a character that would otherwise do something. */
export type Piece = {
  readonly text: string
  readonly tone: 'bad' | 'good' | 'wait' | 'accent' | 'soft' | 'control' | null
  readonly isBold: boolean
}

const longestShown = 4_000
/** Colours and weights (SGR); every other escape sequence is shown, not obeyed. */
const sequence = /\u001b\[([0-9;]*)m/g
/** What moves the cursor, turns the direction of writing, or cannot be seen. */
const hidden = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\ufffd]/g

/** A line as pieces; what could hide or pretend something is written out. At most 4,000 characters, `cut` says how many were left. */
export const piecesOf = (line: string): { pieces: readonly Piece[]; cut: number } => {
  const shown = line.length > longestShown ? line.slice(0, longestShown) : line
  const pieces: Piece[] = []
  let style: Pick<Piece, 'tone' | 'isBold'> = { tone: null, isBold: false }
  let from = 0
  const take = (text: string): void => {
    for (const piece of visibleOf(text))
      pieces.push(
        piece.isControl ? { text: piece.text, tone: 'control', isBold: false } : { text: piece.text, ...style },
      )
  }
  for (const match of shown.matchAll(sequence)) {
    take(shown.slice(from, match.index))
    style = styled(style, match[1] ?? '')
    from = match.index + match[0].length
  }
  take(shown.slice(from))
  return { pieces, cut: line.length - shown.length }
}

/** A text with what could hide or pretend something written out; colours too, as nothing of code is to be hidden. */
export const visibleOf = (text: string): readonly { readonly text: string; readonly isControl: boolean }[] => {
  const pieces: { text: string; isControl: boolean }[] = []
  let at = 0
  for (const { 0: character, index } of text.matchAll(hidden)) {
    if (index > at) pieces.push({ text: text.slice(at, index), isControl: false })
    pieces.push({ text: named(character), isControl: true })
    at = index + character.length
  }
  if (at < text.length) pieces.push({ text: text.slice(at), isControl: false })
  return pieces
}

/** The line without its colours, as it is searched and copied. */
export const plainOf = (line: string): string => line.replace(sequence, '')

const named = (character: string): string =>
  `⟨${(character.codePointAt(0) ?? 0).toString(16).toUpperCase().padStart(4, '0')}⟩`

const tones: Readonly<Record<number, Piece['tone']>> = {
  1: 'bad',
  2: 'good',
  3: 'wait',
  4: 'accent',
  5: 'accent',
  6: 'accent',
  7: null,
  0: 'soft',
}

const styled = (before: Pick<Piece, 'tone' | 'isBold'>, codes: string): Pick<Piece, 'tone' | 'isBold'> => {
  let { tone, isBold } = before
  const numbers = codes.split(';').map(Number)
  for (let at = 0; at < numbers.length; at += 1) {
    const code = numbers[at] ?? 0
    if (code === 0) ({ tone, isBold } = { tone: null, isBold: false })
    else if (code === 1) isBold = true
    else if (code === 2) tone = 'soft'
    else if (code === 22) isBold = false
    else if (code === 39) tone = null
    else if ((code >= 30 && code <= 37) || (code >= 90 && code <= 97)) tone = tones[code % 10] ?? null
    else if (code === 38 || code === 48) at += numbers[at + 1] === 5 ? 2 : 4 // 256 colours and more: as the rest
  }
  return { tone, isBold }
}

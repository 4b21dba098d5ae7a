const ansi = /[\u001b\u009b](?:\[[0-?]*[ -/]*[@-~]|\][^\u0007\u001b]*(?:\u0007|\u001b\\)|[@-Z\\-_])?/g
const unseen = /[\p{Cc}\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]/gu
const longestLine = 300

/** Text of unknown origin as one line that does nothing to a terminal: no escape sequence, no control, nothing invisible. */
export const plainText = (text: string): string => {
  const plain = text
    .replaceAll('\t', '  ')
    .replace(ansi, '')
    .replace(/[\r\n]+/g, ' ')
    .replace(unseen, '\uFFFD')
    .trimEnd()
  return plain.length > longestLine ? `${plain.slice(0, longestLine)}…` : plain
}

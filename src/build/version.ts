/** A version's numbers, major first; undefined when the text has none. `v20.11.1`, `Python 3.11.2`, `go1.22`. */
export const versionIn = (text: string): readonly number[] | undefined => {
  const match = /(\d+)(?:\.(\d+))?(?:\.(\d+))?/.exec(text)
  return match?.slice(1).flatMap((part) => (part === undefined ? [] : [Number(part)]))
}

/** Negative, zero or positive, as `one` is older than, equal to or newer than `other`; missing parts count as 0. */
export const compareVersions = (one: readonly number[], other: readonly number[]): number => {
  for (const place of [0, 1, 2]) {
    const difference = (one[place] ?? 0) - (other[place] ?? 0)
    if (difference !== 0) return difference
  }
  return 0
}

/**
 * Whether a version is in a range as package files and workflows write it: `20`, `20.x`, `^18.2`, `~3.11`, `>=3.10,<4`, `18 || 20`,
 * `1.2 - 1.4`, `lts/*`, `latest`, `stable`, `*`. Pre-releases are not told apart. A range that cannot be read has no version in it.
 */
export const isInRange = (version: readonly number[], range: string): boolean =>
  range.split('||').some((alternative) => isInAll(version, alternative.trim()))

const isInAll = (version: readonly number[], range: string): boolean => {
  if (/^(|\*|x|latest|stable|current|node|lts(\/.*)?|oldstable)$/i.test(range)) return true
  const between = /^(\S+)\s+-\s+(\S+)$/.exec(range)
  if (between) return isInAll(version, `>=${between[1]}`) && isInAll(version, `<=${between[2]}`)
  const parts = range.replaceAll(/([<>=~^!]+)\s+/g, '$1').split(/[\s,]+/)
  return parts.every((part) => satisfies(version, part))
}

const satisfies = (version: readonly number[], comparison: string): boolean => {
  const match = /^(\^|~>?|~=|>=|<=|>|<|===?|=|!=)?v?(\d+(?:\.(?:\d+|[xX*]))*)(?:[-+].*)?$/.exec(comparison)
  if (!match) return false
  const [, operator = '', text = ''] = match
  const given = text.split('.').flatMap((part) => (/^\d+$/.test(part) ? [Number(part)] : []))
  const compared = compareVersions(version, given)
  const sharesPrefix = given.every((number, place) => version[place] === number)
  switch (operator) {
    case '>=':
      return compared >= 0
    case '>':
      return compared > 0 && !sharesPrefix
    case '<':
      return compared < 0
    case '<=':
      return compared <= 0 || sharesPrefix
    case '!=':
      return !sharesPrefix
    case '^': {
      const first = given.findIndex((number) => number !== 0)
      const fixed = given.slice(0, (first < 0 ? given.length - 1 : first) + 1)
      return compared >= 0 && fixed.every((number, place) => version[place] === number)
    }
    case '~':
    case '~>':
      return compared >= 0 && given.slice(0, 2).every((number, place) => version[place] === number)
    case '~=':
      return compared >= 0 && given.slice(0, -1).every((number, place) => version[place] === number)
    default:
      return sharesPrefix
  }
}

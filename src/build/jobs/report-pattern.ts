/**
 * Whether a path matches a pattern: `*` stands for any characters within a name, `?` for one, `**` for any folders (or none).
 * Both come from outside: the time is at most the product of their lengths, whatever they hold.
 */
export const matchesPattern = (pattern: string, path: string): boolean => {
  const names = path.split('/')
  const parts = pattern.replace(/^(\.?\/)+/, '').split('/')
  // reached[n]: the parts so far match the first n names.
  let reached = names.map(() => false)
  reached.unshift(true)
  for (const part of parts) {
    const next = reached.map(() => false)
    for (let at = 0; at <= names.length; at += 1) {
      if (part === '**') next[at] = reached[at] === true || (at > 0 && next[at - 1] === true)
      else if (at > 0 && reached[at - 1] === true) next[at] = matchesName(part, names[at - 1] ?? '')
    }
    reached = next
  }
  return reached.at(-1) === true
}

const matchesName = (pattern: string, name: string): boolean => {
  let [at, inPattern, star, retry] = [0, 0, -1, 0]
  while (at < name.length) {
    const wanted = pattern[inPattern]
    if (wanted === '*') {
      star = inPattern
      retry = at
      inPattern += 1
    } else if (wanted === '?' || (wanted !== undefined && wanted === name[at])) {
      at += 1
      inPattern += 1
    } else if (star >= 0) {
      retry += 1
      at = retry
      inPattern = star + 1
    } else return false
  }
  while (pattern[inPattern] === '*') inPattern += 1
  return inPattern === pattern.length
}

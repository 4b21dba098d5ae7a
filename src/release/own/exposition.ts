/** What a page in the text format of Prometheus (or of OpenMetrics) shows of some series, each named as `headway.yaml` names it. */
export const readSeries = (page: string, wanted: readonly string[]): ReadonlyMap<string, number> => {
  const asked = wanted.map(seriesOf)
  const names = new Set(asked.map(({ name }) => name))
  const sums = new Map<string, number>()
  for (const line of page.split('\n')) {
    const name = /^[a-zA-Z_:][a-zA-Z0-9_:]*/.exec(line)?.[0]
    if (name === undefined || !names.has(name)) continue
    const sample = sampleOf(line.slice(name.length))
    if (!sample) continue
    for (const one of asked) {
      if (one.name !== name || !one.matchers.every((matcher) => isMet(matcher, sample.labels))) continue
      sums.set(one.text, (sums.get(one.text) ?? 0) + sample.value)
    }
  }
  return sums
}

type Matcher = { readonly label: string; readonly isEqual: boolean; readonly value: string }
type Series = { readonly text: string; readonly name: string; readonly matchers: readonly Matcher[] }

const seriesOf = (text: string): Series => ({
  text,
  name: /^[^{]*/.exec(text)?.[0].trim() ?? '',
  matchers: [...text.matchAll(/([a-zA-Z_][a-zA-Z0-9_]*)\s*(!?=)\s*"([^"]*)"/g)].map(
    ([, label = '', operator, value = '']) => ({ label, isEqual: operator === '=', value }),
  ),
})

/** A label that is not there is one without text, as Prometheus has it. */
const isMet = ({ label, isEqual, value }: Matcher, labels: ReadonlyMap<string, string>): boolean =>
  ((labels.get(label) ?? '') === value) === isEqual

/** Above it a number's last digit is lost, and sums may come to no number. */
const most = Number.MAX_SAFE_INTEGER

/** What follows a name: `{label="value"} 12.5 1700000000000`; null for what is no sample, or no number to count with. */
const sampleOf = (rest: string): { labels: ReadonlyMap<string, string>; value: number } | null => {
  const labels = new Map<string, string>()
  let at = 0
  if (rest[0] === '{') {
    const pair = /\s*([a-zA-Z_][a-zA-Z0-9_]*)\s*=\s*"((?:[^"\\]|\\.)*)"\s*(,|(?=\}))/y
    for (at = 1; rest[at] !== '}'; at = pair.lastIndex) {
      pair.lastIndex = at
      const [, label = '', text = ''] = pair.exec(rest) ?? []
      if (label === '') return null
      labels.set(
        label,
        text.replace(/\\(.)/g, (_, escaped: string) => (escaped === 'n' ? '\n' : escaped)),
      )
    }
    at += 1
  }
  const [, number] = /^\s+([^\s]+)/.exec(rest.slice(at)) ?? []
  const value = Number(number)
  return number !== undefined && Math.abs(value) <= most ? { labels, value } : null
}

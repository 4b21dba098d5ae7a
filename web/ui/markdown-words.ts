/** Words of a text in Markdown, as they are shown; `address` is that of a link. */
export type Words = readonly {
  readonly text: string
  readonly as: 'plain' | 'code' | 'strong' | 'soft' | 'link'
  readonly address?: string
}[]

/** Bounded, so that a megabyte of opening brackets costs no more than another megabyte. What is escaped is what it is, never a mark. */
const mark =
  /\\([\\`*_{}[\]<>()#+!|~.-])|&#(\d{1,3});|`([^`]{1,400})`|\*\*((?:\\.|[^\\*]){1,400})\*\*|\*((?:\\.|[^\\*\s])(?:\\.|[^\\*]){0,400})\*|\[((?:\\.|[^\\\]]){1,400})\]\((https?:\/\/[^\s)]{1,2000})\)/g

export const wordsOf = (text: string): Words => {
  const words: Words[number][] = []
  let plain = ''
  let from = 0
  const take = (word: Words[number]): void => {
    if (plain !== '') words.push({ text: plain, as: 'plain' })
    plain = ''
    words.push(word)
  }
  for (const found of text.matchAll(mark)) {
    const [all, escaped, point, code, strong, soft, label, address] = found
    plain += text.slice(from, found.index)
    from = found.index + all.length
    if (escaped !== undefined) plain += escaped
    else if (point !== undefined) plain += String.fromCharCode(Number(point))
    else if (code !== undefined) take({ text: code, as: 'code' })
    else if (strong !== undefined) take({ text: unescaped(strong), as: 'strong' })
    else if (soft !== undefined) take({ text: unescaped(soft), as: 'soft' })
    else if (label !== undefined && address !== undefined) take({ text: unescaped(label), as: 'link', address })
  }
  plain += text.slice(from)
  return plain === '' ? words : [...words, { text: plain, as: 'plain' }]
}

const unescaped = (text: string): string =>
  text.replace(/\\([\\`*_{}[\]<>()#+!|~.-])|&#(\d{1,3});/g, (_, escaped?: string, point?: string) =>
    point === undefined ? (escaped ?? '') : String.fromCharCode(Number(point)),
  )

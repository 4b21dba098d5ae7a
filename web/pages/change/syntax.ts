/** What a part of a line of code is: enough to read it by, in any language. Null: nothing in particular. */
export type Kind = 'comment' | 'string' | 'number' | 'word' | null
export type Token = { readonly text: string; readonly kind: Kind }

type Language = {
  /** What begins a comment that ends with the line. */
  readonly line: readonly string[]
  /** What begins and ends a comment that may go over lines. */
  readonly block: readonly [string, string] | null
  readonly words: ReadonlySet<string>
}

const words = (text: string): ReadonlySet<string> => new Set(text.split(' '))
const curly = words(
  'abstract as async await boolean break bool byte case catch chan char class const continue default defer delete do double else enum export extends false final finally float fn for from func function go if impl implements import in instanceof int interface let long map match mod module mut new nil null number of package private protected pub public range readonly return select short static string struct super switch this throw throws trait true try type typeof undefined use var void where while yield',
)
const python = words(
  'and as assert async await break class continue def del elif else except False finally for from global if import in is lambda None nonlocal not or pass raise return self True try while with yield',
)
const shell = words(
  'case do done elif else esac exit export fi for function if in local read return set shift then true false until while',
)
const ruby = words(
  'and begin break case class def do else elsif end ensure false for if in module next nil not or require rescue return self super then true unless until when while yield',
)
const sql = words(
  'ADD ALTER AND AS ASC BEGIN BY CASE COLUMN COMMIT CONSTRAINT CREATE DEFAULT DELETE DESC DISTINCT DROP ELSE END EXISTS FALSE FOREIGN FROM GROUP HAVING IF IN INDEX INNER INSERT INTO IS JOIN KEY LEFT LIKE LIMIT NOT NULL ON OR ORDER PRIMARY REFERENCES SELECT SET TABLE THEN TRUE UNION UNIQUE UPDATE VALUES VIEW WHEN WHERE WITH',
)
const data = words('true false null yes no on off')

const c: Language = { line: ['//'], block: ['/*', '*/'], words: curly }
const hash = (known: ReadonlySet<string>): Language => ({ line: ['#'], block: null, words: known })
const markup: Language = { line: [], block: ['<!--', '-->'], words: new Set() }
const languages: Readonly<Record<string, Language>> = {
  ...Object.fromEntries(
    'js mjs cjs jsx ts mts cts tsx java kt go rs c h cc cpp hpp cs swift scala dart proto php'
      .split(' ')
      .map((ending) => [ending, c]),
  ),
  css: { line: [], block: ['/*', '*/'], words: new Set() },
  scss: { line: ['//'], block: ['/*', '*/'], words: new Set() },
  ...{ py: hash(python), rb: hash(ruby), sh: hash(shell), bash: hash(shell), dockerfile: hash(words('FROM RUN COPY')) },
  ...{ yaml: hash(data), yml: hash(data), toml: hash(data), json: { line: [], block: null, words: data } },
  ...{ tf: { line: ['#', '//'], block: ['/*', '*/'], words: data }, makefile: hash(shell) },
  sql: { line: ['--'], block: ['/*', '*/'], words: new Set([...sql, ...[...sql].map((word) => word.toLowerCase())]) },
  ...{ html: markup, xml: markup, svg: markup, vue: markup, md: markup },
}

/** The language of a file by its name; null where lines stay as they are. */
export const languageOf = (path: string): Language | null => {
  const name = (path.split('/').at(-1) ?? '').toLowerCase()
  return languages[name.split('.').at(-1) ?? ''] ?? null
}

const longest = 2_000
const part = /"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'|`(?:[^`\\]|\\.)*`|\b\d[\w.]*|[A-Za-z_$][\w$]*/y

/**
 * Reads the lines of one text in order and tells the parts of each. Remembers a comment that goes on over lines; a hunk that begins within
 * one is read as code, as nothing in it says otherwise. Lines of more than 2,000 characters stay whole.
 */
export const createReader = (language: Language | null): ((line: string) => readonly Token[]) => {
  let isInComment = false
  return (line) => {
    if (language === null || line.length > longest) return [{ text: line, kind: null }]
    const tokens: { text: string; kind: Kind }[] = []
    const put = (text: string, kind: Kind): void => {
      const last = tokens.at(-1)
      if (last?.kind === kind) last.text += text
      else if (text !== '') tokens.push({ text, kind })
    }
    for (let at = 0; at < line.length; ) {
      const rest = line.slice(at)
      const { block } = language
      if (isInComment && block) {
        const end = rest.indexOf(block[1])
        const length = end < 0 ? rest.length : end + block[1].length
        isInComment = end < 0
        put(rest.slice(0, length), 'comment')
        at += length
      } else if (block && rest.startsWith(block[0])) {
        isInComment = true
        put(block[0], 'comment')
        at += block[0].length
      } else if (language.line.some((mark) => rest.startsWith(mark) && isMark(mark, line[at - 1]))) {
        put(rest, 'comment')
        at = line.length
      } else {
        part.lastIndex = at
        const text = part.exec(line)?.[0] ?? line[at] ?? ''
        put(text, kindOf(text, language))
        at += text.length
      }
    }
    return tokens
  }
}

/** A # within a word (a colour, an anchor) begins no comment. */
const isMark = (mark: string, before: string | undefined): boolean =>
  mark !== '#' || before === undefined || /\s/.test(before)

const kindOf = (text: string, language: Language): Kind => {
  if (text.length > 1 && /^["'`]/.test(text)) return 'string'
  if (/^\d/.test(text)) return 'number'
  return language.words.has(text) ? 'word' : null
}

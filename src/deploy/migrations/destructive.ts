/** A statement that the version which is still running may not survive, and what to do instead. */
export type Finding = {
  readonly line: number
  /** Its first words, as people know it: `DROP COLUMN`. */
  readonly statement: string
  readonly advice: string
}

type Rule = { readonly pattern: RegExp; readonly statement: string; readonly advice: string }

const contract = 'expand first: leave it until no running version uses it, and drop it in a later release'

/** Matched against one statement, upper case, its text constants and comments gone, its white space single spaces. */
const rules: readonly Rule[] = [
  { pattern: /^DROP (TABLE|VIEW|MATERIALIZED VIEW|SCHEMA|DATABASE|TYPE|SEQUENCE|FUNCTION)\b/, ...named('DROP $1') },
  {
    pattern: /^ALTER TABLE\b.*\bDROP (?!CONSTRAINT\b|DEFAULT\b|NOT NULL\b|IDENTITY\b|EXPRESSION\b)(COLUMN )?/,
    ...named('DROP COLUMN'),
  },
  {
    pattern: /^ALTER (TABLE|VIEW|MATERIALIZED VIEW|TYPE|SCHEMA|SEQUENCE)\b.*\bRENAME (?!CONSTRAINT\b)/,
    statement: 'RENAME',
    advice: 'expand first: add the new name beside the old one, write both, and drop the old one in a later release',
  },
  {
    pattern: /^ALTER TABLE\b.*\bALTER (COLUMN )?\S+ SET NOT NULL\b/,
    statement: 'SET NOT NULL',
    advice: 'the running version may still write nulls: write the value in one release, and demand it in the next',
  },
  {
    pattern:
      /^ALTER TABLE\b.*\bADD (COLUMN )?(?!CONSTRAINT\b|PRIMARY\b|UNIQUE\b|CHECK\b|FOREIGN\b)(?=[^,]*\bNOT NULL\b)(?![^,]*\b(DEFAULT|GENERATED)\b)/,
    statement: 'ADD COLUMN ... NOT NULL',
    advice: 'the running version does not write it: give it a default, or let it be null until a later release',
  },
  {
    pattern: /^ALTER TABLE\b.*\bALTER (COLUMN )?\S+ (SET DATA )?TYPE\b/,
    statement: 'ALTER COLUMN ... TYPE',
    advice: 'it rewrites the table under a lock: add a column of the new type, fill it, and drop the old one later',
  },
  {
    pattern: /^TRUNCATE\b/,
    statement: 'TRUNCATE',
    advice: 'the running version loses these rows at once, and a rollback does not bring them back',
  },
  {
    pattern: /^DELETE FROM\b(?!.*\bWHERE\b)/,
    statement: 'DELETE without WHERE',
    advice: 'the running version loses these rows at once, and a rollback does not bring them back',
  },
  {
    pattern: /^UPDATE\b(?!.*\bWHERE\b)/,
    statement: 'UPDATE without WHERE',
    advice: 'it locks every row until it ends: fill the table in portions',
  },
]

function named(statement: string): { statement: string; advice: string } {
  return { statement, advice: contract }
}

/** Looks through the statements of an SQL file, what undoes it (`-- migrate:down` and the like) left out. */
export const destructiveStatements = (sql: string): Finding[] =>
  statementsOf(withoutUndo(sql)).flatMap(({ text, line }) => {
    const rule = rules.find(({ pattern }) => pattern.test(text))
    if (!rule) return []
    const [, word = ''] = rule.pattern.exec(text) ?? []
    return [{ line, statement: rule.statement.replace('$1', word), advice: rule.advice }]
  })

/** dbmate, goose, sql-migrate and node-pg-migrate write both directions in one file, the way back below such a line. */
const undo = /^\s*--\s*(migrate:down|\+goose\s+down|\+migrate\s+down|down migration)\b/im
const withoutUndo = (sql: string): string => {
  const at = sql.search(undo)
  return at === -1 ? sql : sql.slice(0, at)
}

/** Comments, text constants (also dollar-quoted ones: bodies of functions) and quoted names, then what ends a statement. */
const token =
  /--[^\n]*|\/\*[\s\S]*?(?:\*\/|$)|\$([A-Za-z_]*)\$[\s\S]*?(?:\$\1\$|$)|'(?:[^']|'')*(?:'|$)|"(?:[^"]|"")*(?:"|$)|;/g

const statementsOf = (sql: string): { text: string; line: number }[] => {
  const found: { text: string; line: number }[] = []
  let text = ''
  let line: number | null = null
  let at = 0
  let lines = 1
  const take = (end: number): void => {
    const piece = sql.slice(at, end)
    const first = /\S/.exec(piece)
    if (line === null && first) line = lines + linesIn(piece.slice(0, first.index))
    text += piece
    lines += linesIn(piece)
    at = end
  }
  const finish = (): void => {
    const plain = text.replace(/\s+/g, ' ').trim().toUpperCase()
    if (plain !== '' && line !== null) found.push({ text: plain, line })
    text = ''
    line = null
  }
  for (const { 0: matched, index } of sql.matchAll(token)) {
    take(index)
    lines += linesIn(matched)
    at = index + matched.length
    if (matched === ';') finish()
    // A quoted name is a name; what is in a constant or a comment is not looked at.
    else text += matched.startsWith('"') ? 'NAME' : ' '
  }
  take(sql.length)
  finish()
  return found
}

const linesIn = (text: string): number => text.split('\n').length - 1

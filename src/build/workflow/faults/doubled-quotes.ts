import type { Token } from '@actions/expressions/lexer'

const stringToken = 18

/** Upstream fault: the lexer unescapes only the first `''` of a string. Mended by unescaping the lexeme anew. */
export const withQuotesUnescaped = (tokens: readonly Token[]): Token[] =>
  tokens.map((token) =>
    token.type === stringToken ? { ...token, value: token.lexeme.slice(1, -1).replaceAll("''", "'") } : token,
  )

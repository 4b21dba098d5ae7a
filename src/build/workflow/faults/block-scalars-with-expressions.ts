import type { LiteralToken } from '@actions/workflow-parser/templates/tokens/literal-token'
import { StringToken } from '@actions/workflow-parser/templates/tokens/string-token'
import { YamlObjectReader } from '@actions/workflow-parser/workflows/yaml-object-reader'

/** The most scalars that one workflow may have once its aliases are resolved; a few nested anchors could make billions. */
const maximumScalars = 50_000

/**
 * Upstream fault: the template reader takes a multi-line scalar with `${{ }}` from its YAML source instead of its value, so
 * that indentation and chomping come out wrong. Mended by dropping the source of multi-line string tokens.
 * Counts the scalars as well, because upstream resolves aliases without a limit.
 */
export class WorkflowReader extends YamlObjectReader {
  private scalars = 0

  override allowLiteral(): LiteralToken | undefined {
    const token = super.allowLiteral()
    if (token === undefined) return undefined
    this.scalars += 1
    if (this.scalars > maximumScalars) throw new Error(`The workflow has more than ${maximumScalars} values`)
    const { range } = token
    const isMultiLine = range !== undefined && range.start.line !== range.end.line
    return token instanceof StringToken && isMultiLine
      ? new StringToken(token.file, range, token.value, token.definitionInfo, undefined, token.blockScalarHeader)
      : token
  }
}

import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { JSONObjectReader } from '@actions/workflow-parser/templates/json-object-reader'
import { TemplateSchema } from '@actions/workflow-parser/templates/schema/template-schema'

/**
 * Upstream fault (actions/languageservices#387): `workflows/workflow-schema.js` imports its schema as JSON without
 * `with { type: 'json' }`, which Node refuses. Mended by never importing that module: the schema is read from the file
 * beside it and loaded as that module would. Works from source and from emitted JavaScript alike.
 */
export const workflowSchema = (): TemplateSchema => {
  loaded ??= TemplateSchema.load(
    new JSONObjectReader(
      undefined,
      readFileSync(
        fileURLToPath(new URL('workflow-v1.0.min.json', import.meta.resolve('@actions/workflow-parser'))),
        'utf8',
      ),
    ),
  )
  return loaded
}
let loaded: TemplateSchema | undefined

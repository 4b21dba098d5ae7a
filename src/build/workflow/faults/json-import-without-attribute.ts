import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { JSONObjectReader } from '@actions/workflow-parser/templates/json-object-reader'
import { TemplateSchema } from '@actions/workflow-parser/templates/schema/template-schema'
import { withDispatchNamed } from './repository-dispatch-as-text.ts'

/**
 * Upstream fault (actions/languageservices#387): `workflows/workflow-schema.js` and `actions/action-schema.js` import their schemas as
 * JSON without `with { type: 'json' }`, which Node refuses. Mended by never importing those modules: the schemas are read from the
 * files beside them and loaded as they would. Works from source and from emitted JavaScript alike.
 */
export const workflowSchema = (): TemplateSchema => schemaIn('workflow-v1.0.min.json')
export const actionSchema = (): TemplateSchema => schemaIn('action-v1.0.min.json')

const schemaIn = (file: string): TemplateSchema => {
  const schema =
    loaded.get(file) ?? TemplateSchema.load(new JSONObjectReader(undefined, withDispatchNamed(textOf(file))))
  loaded.set(file, schema)
  return schema
}
const loaded = new Map<string, TemplateSchema>()

const textOf = (file: string): string =>
  readFileSync(fileURLToPath(new URL(file, import.meta.resolve('@actions/workflow-parser'))), 'utf8')

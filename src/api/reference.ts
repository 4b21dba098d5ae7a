import { z } from 'zod'
import type { Document } from './document.ts'
import { escapeHtml, page } from './page.ts'

/** What is read of the document; everything else in it is left to those who read the JSON. */
const Parameter = z.object({
  name: z.string(),
  in: z.string(),
  required: z.boolean().optional(),
  schema: z.unknown(),
})
const Content = z.record(z.string(), z.object({ schema: z.unknown() })).optional()
const Operation = z.object({
  summary: z.string().optional(),
  description: z.string().optional(),
  parameters: z.array(Parameter).default([]),
  requestBody: z.object({ content: Content }).optional(),
  responses: z.record(z.string(), z.object({ description: z.string(), content: Content })),
})
type Operation = z.infer<typeof Operation>
const Schema = z
  .object({
    $ref: z.string(),
    type: z.union([z.string(), z.array(z.string())]),
    enum: z.array(z.unknown()),
    const: z.unknown(),
    properties: z.record(z.string(), z.unknown()),
    required: z.array(z.string()),
    items: z.unknown(),
    additionalProperties: z.unknown(),
    anyOf: z.array(z.unknown()),
    oneOf: z.array(z.unknown()),
    allOf: z.array(z.unknown()),
  })
  .partial()

/** The API for people, made from its own description. */
export const referencePage = (document: Document): string => {
  const sections = new Map<string, string[]>()
  for (const [path, methods] of Object.entries(document.paths ?? {}))
    for (const [method, candidate] of Object.entries(methods ?? {})) {
      const operation = Operation.safeParse(candidate)
      if (!operation.success) continue
      const name = sectionOf(path)
      sections.set(name, [...(sections.get(name) ?? []), operationHtml(method, path, operation.data)])
    }
  const names = [...sections.keys()].sort()
  const schemas = Object.entries(document.components?.schemas ?? {}).sort(([one], [other]) => (one < other ? -1 : 1))
  return page(
    'Headway API',
    `<main><h1>Headway API</h1><p>${escapeHtml(document.info.description ?? '')} Version ${escapeHtml(document.info.version)}.
The same <a href="/api/v1/openapi.json">as OpenAPI 3.1</a>.</p>
<nav>${names.map((name) => `<a href="#${name}">${name}</a>`).join('')}<a href="#schemas">schemas</a></nav>
${names.map((name) => `<h2 id="${name}">${name}</h2>${sections.get(name)?.join('')}`).join('')}
<h2 id="schemas">schemas</h2>${schemas.map(([name, schema]) => schemaHtml(name, schema)).join('')}</main>`,
  )
}

/** The first word of a path that says what it is about. */
const sectionOf = (path: string): string => {
  const words = path
    .split('/')
    .filter((word) => word !== '' && !word.startsWith('{') && word !== 'api' && word !== 'v1')
  return (words[0] === 'projects' && words[1] ? words[1] : (words[0] ?? 'api')).replace(/[^a-z0-9-]/gi, '-')
}

const operationHtml = (method: string, path: string, operation: Operation): string => {
  const parts: string[] = []
  if (operation.description) parts.push(`<p>${escapeHtml(operation.description)}</p>`)
  if (operation.parameters.length > 0) parts.push(`<h3>Parameters</h3>${parametersHtml(operation.parameters)}`)
  for (const [type, { schema }] of Object.entries(operation.requestBody?.content ?? {}))
    parts.push(`<h3>Body, ${escapeHtml(type)}</h3><pre>${escapeHtml(shape(schema))}</pre>`)
  for (const [status, { description, content }] of Object.entries(operation.responses)) {
    if (status === 'default') continue
    parts.push(`<h3>${escapeHtml(status)}</h3><p>${escapeHtml(description)}</p>`)
    for (const [type, { schema }] of Object.entries(content ?? {}))
      parts.push(`<pre>${escapeHtml(`${type === 'application/json' ? '' : `${type}: `}${shape(schema)}`)}</pre>`)
  }
  const hint = operation.summary ?? Object.values(operation.responses)[0]?.description ?? ''
  return `<details><summary><b class="method">${method.toUpperCase()}</b><code>${escapeHtml(path)}</code><span>${escapeHtml(hint)}</span></summary>${parts.join('')}</details>`
}

const parametersHtml = (parameters: Operation['parameters']): string =>
  `<table>${parameters
    .map(
      ({ name, in: place, required, schema }) =>
        `<tr><td><code>${escapeHtml(name)}</code></td><td>${escapeHtml(place)}${required ? '' : ', may be left out'}</td><td><code>${escapeHtml(shape(schema))}</code></td></tr>`,
    )
    .join('')}</table>`

const schemaHtml = (name: string, schema: unknown): string =>
  `<details id="schema-${escapeHtml(name)}"><summary><code>${escapeHtml(name)}</code></summary><pre>${escapeHtml(shape(schema))}</pre></details>`

/** A JSON schema as one would write the type down. */
const shape = (candidate: unknown, indent = ''): string => {
  const parsed = Schema.safeParse(candidate)
  if (!parsed.success) return 'anything'
  const schema = parsed.data
  if (schema.$ref) return schema.$ref.split('/').at(-1) ?? schema.$ref
  if (schema.enum) return schema.enum.map((value) => JSON.stringify(value)).join(' | ')
  if (schema.const !== undefined) return JSON.stringify(schema.const)
  const several = schema.anyOf ?? schema.oneOf
  if (several) return several.map((one) => shape(one, indent)).join(' | ')
  if (schema.allOf) return schema.allOf.map((one) => shape(one, indent)).join(' & ')
  const types = [schema.type ?? 'object'].flat()
  return types.map((type) => shapeOf(type, schema, indent)).join(' | ')
}

const shapeOf = (type: string, schema: z.infer<typeof Schema>, indent: string): string => {
  if (type === 'array') {
    const item = shape(schema.items, indent)
    return / [|&] /.test(item) && !item.startsWith('{') ? `(${item})[]` : `${item}[]`
  }
  if (type !== 'object') return type
  const deeper = `${indent}  `
  const lines = Object.entries(schema.properties ?? {}).map(
    ([name, property]) => `${deeper}${name}${schema.required?.includes(name) ? '' : '?'}: ${shape(property, deeper)}`,
  )
  if (schema.additionalProperties && typeof schema.additionalProperties === 'object')
    lines.push(`${deeper}[name]: ${shape(schema.additionalProperties, deeper)}`)
  return lines.length === 0 ? '{}' : `{\n${lines.join('\n')}\n${indent}}`
}

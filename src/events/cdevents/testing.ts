import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { z } from 'zod'
import type { CdEvent } from './check.ts'

type Schema = {
  readonly type?: string
  readonly enum?: readonly unknown[]
  readonly pattern?: string
  readonly format?: string
  readonly properties?: Readonly<Record<string, Schema>>
  readonly required?: readonly string[]
  readonly items?: Schema
  readonly oneOf?: readonly Schema[]
  readonly $ref?: string
}

const directory = join(import.meta.dirname, 'spec-v0.5.1')
const Typed = z.looseObject({
  properties: z.looseObject({
    context: z.looseObject({
      properties: z.looseObject({ type: z.looseObject({ enum: z.array(z.string()).optional() }) }),
    }),
  }),
})
const schemas = readdirSync(directory)
  .filter((name) => name.endsWith('.json'))
  .map((name) => Typed.parse(JSON.parse(readFileSync(join(directory, name), 'utf8'))))

/** An event that is made from the very schema of its type (`custom`: of custom events), with all the fields there are or the least. */
export const exampleOf = (type: string, size: 'all' | 'least'): CdEvent => {
  const schema = schemas.find(({ properties }) => {
    const types = properties.context.properties.type.enum
    return type === 'custom' ? types === undefined : types?.[0] === type
  })
  if (!schema) throw new Error(`no schema of ${type}`)
  return z.custom<CdEvent>().parse(make(z.custom<Schema>().parse(schema), size, []))
}

const make = (schema: Schema, size: 'all' | 'least', path: readonly string[]): unknown => {
  if (schema.$ref) return [{ linkType: 'PATH', from: { contextId: 'an-earlier-event' } }]
  if (schema.enum) return schema.enum[0]
  if (schema.oneOf) return { note: 'made from the schema' }
  if (schema.type === 'array') return schema.items ? [make(schema.items, size, path)] : []
  if (schema.type === 'boolean') return true
  if (schema.type === 'object' || schema.properties) {
    const names = Object.entries(schema.properties ?? {}).filter(
      ([name]) => size === 'all' || schema.required?.includes(name),
    )
    return Object.fromEntries(names.map(([name, own]) => [name, make(own, size, [...path, name])]))
  }
  const formats: Readonly<Record<string, string>> = {
    'date-time': '2026-06-01T10:00:00.123456Z',
    uri: 'https://example.test/it',
    'uri-reference': '/an/example',
  }
  if (schema.pattern) return 'dev.cdeventsx.example-thing.happened.0.1.0'
  if (path.at(-1) === 'specversion') return '0.5.1'
  if (path.at(-1) === 'customDataContentType') return 'application/json'
  return formats[schema.format ?? ''] ?? `some-${path.join('-').toLowerCase()}`
}

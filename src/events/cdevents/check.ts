import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { Ajv2020, type ErrorObject, type ValidateFunction } from 'ajv/dist/2020.js'
import { timeIn } from '../times.ts'

/** A CDEvent of spec v0.5.1, as its schema has let it pass. Extras are in `customData`: elsewhere the schemas forbid them. */
export type CdEvent = {
  readonly context: {
    readonly specversion: string
    readonly id: string
    readonly source: string
    readonly type: string
    readonly timestamp: string
    readonly schemaUri?: string
    readonly chainId?: string
    readonly links?: readonly unknown[]
  }
  readonly subject: {
    readonly id: string
    readonly source?: string
    readonly content: Readonly<Record<string, unknown>>
  }
  readonly customData?: unknown
  readonly customDataContentType?: string
}

export type Flaw = { readonly path: string; readonly message: string }
export type Checked = { readonly kind: 'valid'; readonly event: CdEvent } | { readonly kind: 'invalid'; flaws: Flaw[] }

export const specVersion = '0.5.1'
const directory = join(import.meta.dirname, 'spec-v0.5.1')
const enough = 10

const ajv = new Ajv2020({ allErrors: false, strict: false, validateFormats: true })
ajv.addFormat('date-time', (text: string) => timeIn(text) !== null && /T/i.test(text))
ajv.addFormat('uri', (text: string) => /^[a-z][a-z0-9+.-]*:[^\s<>"{}|\\^`]*$/i.test(text))
ajv.addFormat('uri-reference', (text: string) => /^[^\s<>"{}|\\^`]*$/.test(text))

const validators = new Map<string, ValidateFunction<CdEvent>>()
let areLinksKnown = false

/** Checks an event by the schema that was published for its very type and version; the first things that are wrong are named by their path. */
export const checkCdEvent = (value: unknown): Checked => {
  const type = typeIn(value)
  if (type === null)
    return { kind: 'invalid', flaws: [{ path: 'context.type', message: 'an event says its type in context.type' }] }
  const schema = schemaNameOf(type)
  if (schema === null)
    return {
      kind: 'invalid',
      flaws: [{ path: 'context.type', message: `${type.slice(0, 100)} is no type of CDEvents ${specVersion}` }],
    }
  const known = schema === 'custom' ? type : typeOf(readSchema(schema))
  if (known !== type)
    return { kind: 'invalid', flaws: [{ path: 'context.type', message: `CDEvents ${specVersion} has ${known}` }] }
  const validate = validatorOf(schema)
  return validate(value)
    ? { kind: 'valid', event: value }
    : { kind: 'invalid', flaws: (validate.errors ?? []).slice(0, enough).map(flawOf) }
}

/** All types that there are, with their versions: `dev.cdevents.artifact.packaged.0.3.0`. */
export const eventTypes = (): string[] =>
  readdirSync(directory)
    .filter((name) => /^[a-z]+-[a-z]+\.json$/.test(name))
    .map((name) => typeOf(readSchema(name.replace(/\.json$/, ''))))

/** The version of a type as v0.5.1 has it: `service.deployed` is `dev.cdevents.service.deployed.0.3.0`. */
export const versioned = (kind: string): string => typeOf(readSchema(kind.replace('.', '-')))

const typeIn = (value: unknown): string | null => {
  const context = typeof value === 'object' && value !== null && 'context' in value ? value.context : null
  const type = typeof context === 'object' && context !== null && 'type' in context ? context.type : null
  return typeof type === 'string' ? type : null
}

const schemaNameOf = (type: string): string | null => {
  if (type.startsWith('dev.cdeventsx.')) return 'custom'
  const [, subject, predicate] = /^dev\.cdevents\.([a-z]+)\.([a-z]+)\.\d+\.\d+\.\d+$/.exec(type) ?? []
  const name = `${subject}-${predicate}`
  return subject !== undefined && existsSync(join(directory, `${name}.json`)) ? name : null
}

/** Made when the first event of a type comes. */
const validatorOf = (name: string): ValidateFunction<CdEvent> => {
  const known = validators.get(name)
  if (known) return known
  if (!areLinksKnown) {
    for (const link of readdirSync(join(directory, 'links'))) ajv.addSchema(readSchema(`links/${link.slice(0, -5)}`))
    areLinksKnown = true
  }
  const validate = ajv.compile<CdEvent>(readSchema(name))
  validators.set(name, validate)
  return validate
}

type Schema = {
  readonly properties?: { readonly context: { readonly properties: { readonly type: { enum?: string[] } } } }
}
const schemas = new Map<string, Schema>()
const readSchema = (name: string): Schema => {
  const known = schemas.get(name)
  if (known) return known
  const schema: Schema = JSON.parse(readFileSync(join(directory, `${name}.json`), 'utf8'))
  schemas.set(name, schema)
  return schema
}
const typeOf = (schema: Schema): string => schema.properties?.context.properties.type.enum?.[0] ?? ''

const flawOf = ({ instancePath, keyword, params, message }: ErrorObject): Flaw => {
  const path = instancePath
    .split('/')
    .slice(1)
    .map((part) => part.replaceAll('~1', '/').replaceAll('~0', '~'))
  const { missingProperty, additionalProperty } = params
  if (keyword === 'required') return { path: [...path, missingProperty].join('.'), message: 'is missing' }
  if (keyword === 'additionalProperties')
    return {
      path: [...path, additionalProperty].join('.'),
      message: 'has no place here; what CDEvents has no field for goes into customData',
    }
  const allowed =
    keyword === 'enum' && Array.isArray(params.allowedValues) ? `: ${params.allowedValues.join(', ')}` : ''
  return { path: path.join('.'), message: `${message ?? 'is not as it should be'}${allowed}` }
}

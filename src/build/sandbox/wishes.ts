import { evaluateTemplate } from '../workflow/evaluate.ts'
import type { Json, Scope } from '../workflow/expression.ts'
import type { Template } from '../workflow/template.ts'
import type { ContainerWish, ServiceWish } from './sandbox.ts'

/**
 * `container:` of a job, which is an image or a mapping with one; null where there is none, or its image is empty, by which a
 * workflow says none (actions/runner, PipelineTemplateConverter.ConvertToJobContainer).
 */
export const containerIn = async (template: Template | undefined, scope: Scope): Promise<ContainerWish | null> =>
  template === undefined ? null : wishFrom('container', await evaluateTemplate(template, scope))

/** `services:` of a job; one with an empty image is left out (PipelineTemplateConverter.ConvertToJobServiceContainers). */
export const servicesIn = async (template: Template | undefined, scope: Scope): Promise<readonly ServiceWish[]> => {
  if (template === undefined) return []
  return Object.entries(mappingIn('services', await evaluateTemplate(template, scope))).flatMap(([id, value]) => {
    const wish = wishFrom(`services.${id}`, value)
    return wish ? [{ ...wish, id }] : []
  })
}

const wishFrom = (what: string, value: Json): ContainerWish | null => {
  const given = typeof value === 'string' ? { image: value } : mappingIn(what, value)
  const image = textIn(`${what}.image`, given.image).replace(/^docker:\/\//, '')
  if (image === '') return null
  const credentials = mappingIn(`${what}.credentials`, given.credentials)
  const username = textIn(`${what}.credentials.username`, credentials.username)
  const password = textIn(`${what}.credentials.password`, credentials.password)
  const env = mappingIn(`${what}.env`, given.env)
  return {
    image,
    env: Object.fromEntries(Object.entries(env).map(([name, one]) => [name, textIn(`${what}.env.${name}`, one)])),
    ports: textsIn(`${what}.ports`, given.ports),
    volumes: textsIn(`${what}.volumes`, given.volumes),
    options: textIn(`${what}.options`, given.options),
    credentials: username === '' || password === '' ? null : { username, password },
  }
}

const mappingIn = (what: string, value: Json | undefined): Readonly<Record<string, Json>> => {
  if (value === undefined || value === null || value === '') return {}
  if (!isMapping(value)) throw new Error(`${what} must be a mapping`)
  return value
}

/** `Array.isArray` does not tell readonly lists from mappings. */
const isMapping = (value: Json): value is { readonly [key: string]: Json } =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

const textIn = (what: string, value: Json | undefined): string => {
  if (value === undefined || value === null) return ''
  if (typeof value === 'object') throw new Error(`${what} must be text`)
  return String(value)
}

const textsIn = (what: string, value: Json | undefined): readonly string[] => {
  if (value === undefined || value === null || value === '') return []
  if (!Array.isArray(value)) throw new Error(`${what} must be a list`)
  return value.map((one) => textIn(what, one))
}

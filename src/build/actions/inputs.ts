import { type Remark, remark } from '../jobs/annotations.ts'
import { textFrom, textsFrom } from '../workflow/evaluate.ts'
import type { Scope } from '../workflow/expression.ts'
import type { UsesStep } from '../workflow/workflow.ts'
import type { Manifest } from './manifest.ts'

/** What an action is given, by name in lower case, and what there is to be said of it. */
export type GivenInputs = { readonly inputs: Readonly<Record<string, string>>; readonly remarks: readonly Remark[] }

/** The inputs of a step without the action's defaults. */
export const inputsOf = async (step: UsesStep, scope: Scope): Promise<Record<string, string>> =>
  Object.fromEntries(
    Object.entries(await textsFrom(step.with, scope)).map(([name, value]) => [name.toLowerCase(), value]),
  )

/** The inputs of a step with the action's defaults. Semantics: actions/runner, src/Runner.Worker/ActionRunner.cs. */
export const inputsFor = async (step: UsesStep, manifest: Manifest, scope: Scope): Promise<GivenInputs> => {
  const given = await inputsOf(step, scope)
  const inputs: Record<string, string> = { ...given }
  const valid = manifest.inputs.map(({ name }) => name)
  for (const { name, default: otherwise } of manifest.inputs)
    inputs[name.toLowerCase()] ??= (await textFrom(otherwise, scope)) ?? ''
  if (manifest.runs.kind === 'container') valid.push('entryPoint', 'args')
  const known = new Set(valid.map((name) => name.toLowerCase()))
  const unexpected = Object.keys(given).filter((name) => !known.has(name))
  const deprecated = manifest.inputs.filter(({ name, deprecation }) => deprecation && name.toLowerCase() in given)
  return {
    inputs,
    remarks: [
      ...deprecated.map(({ name, deprecation }) =>
        remark('warning', `Input '${name}' has been deprecated with message: ${deprecation}`),
      ),
      ...(unexpected.length > 0
        ? [
            remark(
              'warning',
              `Unexpected input(s) '${unexpected.join("', '")}', valid inputs are ['${valid.join("', '")}']`,
            ),
          ]
        : []),
    ],
  }
}

/** INPUT_ variables: upper case, spaces become `_`, hyphens stay. */
export const inputVariables = (inputs: Readonly<Record<string, string>>): Record<string, string> =>
  Object.fromEntries(
    Object.entries(inputs).map(([name, value]) => [`INPUT_${name.replaceAll(' ', '_').toUpperCase()}`, value]),
  )

/** STATE_ variables, for the stages after the one that kept them. */
export const stateVariables = (state: Readonly<Record<string, string>>): Record<string, string> =>
  Object.fromEntries(Object.entries(state).map(([name, value]) => [`STATE_${name}`, value]))

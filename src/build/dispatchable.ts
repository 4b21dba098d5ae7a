import type { CommitReader } from './git.ts'
import { parseAll } from './plan.ts'
import { evaluateTemplate } from './workflow/evaluate.ts'
import type { InputDefinition, InputValue } from './workflow/inputs.ts'

/** A workflow that can be started by hand, with what it wants to know, in the order of its file. */
export type Dispatchable = {
  /** A file of .github/workflows */
  readonly workflow: string
  readonly name: string
  readonly inputs: readonly DispatchInput[]
}
export type DispatchInput = Pick<InputDefinition, 'name' | 'type' | 'isRequired' | 'description'> & {
  /** What it is where nobody says; null: the type's own empty value. */
  readonly default: InputValue | null
  /** Of a choice. */
  readonly options: string[]
}

/** The workflows at a commit that have `workflow_dispatch`, by their files, and what keeps others from being read. */
export const listDispatchable = async (
  reader: CommitReader,
): Promise<{ workflows: Dispatchable[]; faults: string[] }> => {
  const found: Dispatchable[] = []
  const faults: string[] = []
  for (const { file, parsing } of await parseAll(reader)) {
    if (parsing.kind === 'invalid') {
      const [{ detail, at }] = parsing.faults
      faults.push(`${file}:${at.line}:${at.column}: ${detail}`)
      continue
    }
    const trigger = parsing.workflow.on.find(({ event }) => event === 'workflow_dispatch')
    if (!trigger) continue
    const inputs = await Promise.all(trigger.inputs.map(inputOf))
    found.push({ workflow: file.slice(file.lastIndexOf('/') + 1), name: parsing.workflow.name, inputs })
  }
  return { workflows: found, faults }
}

const scope = { contexts: {}, status: { success: true, failure: false, cancelled: false } }

const inputOf = async (definition: InputDefinition): Promise<DispatchInput> => {
  const { name, type, isRequired, description, options } = definition
  const value = await evaluateTemplate(definition.default, scope)
  return {
    ...{ name, type, isRequired, description, options: [...options] },
    default: value === null || typeof value === 'object' ? null : value,
  }
}

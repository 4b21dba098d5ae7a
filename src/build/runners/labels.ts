import type { Json } from '../workflow/expression.ts'

/** A label as an administrator or a runner gives it; a star at the end stands for anything. */
export const labelPattern = /^[a-z0-9][a-z0-9._:-]{0,98}\*?$/

/** Labels without regard to case, in order, each once: GitHub compares them so. */
export const normalLabels = (labels: readonly string[]): string[] => [
  ...new Set(labels.map((label) => label.trim().toLowerCase()).filter((label) => label !== '')),
]

/**
 * What `runs-on` asks for: a label, a list of labels, or `{ group, labels }`. A runner must have all of them
 * (docs.github.com, "Choosing the runner for a job"); a group is one label more here. Throws an Error that says what is wrong.
 */
export const labelsIn = (runsOn: Json): string[] => {
  if (typeof runsOn === 'object' && runsOn !== null && !isList(runsOn)) {
    const { group, labels } = runsOn
    return atLeastOne([...textsIn(group), ...textsIn(labels)])
  }
  return atLeastOne(textsIn(runsOn))
}

const isList = (value: Json): value is readonly Json[] => Array.isArray(value)

const textsIn = (value: Json | undefined): string[] => {
  if (value === undefined || value === null) return []
  if (typeof value === 'string') return [value]
  if (isList(value)) return value.flatMap(textsIn)
  if (typeof value === 'object') throw new Error('runs-on is a label, a list of labels, or a group with labels')
  return [String(value)]
}

const atLeastOne = (texts: readonly string[]): string[] => {
  const labels = normalLabels(texts)
  if (labels.length === 0) throw new Error('runs-on names no label')
  return labels
}

/** Whether a runner with these labels may have a job that demands those. */
export const hasLabels = (labels: readonly string[], demanded: readonly string[]): boolean =>
  demanded.every((wanted) =>
    labels.some((label) => (label.endsWith('*') ? wanted.startsWith(label.slice(0, -1)) : wanted === label)),
  )

const architecture = process.arch === 'arm64' ? 'arm64' : process.arch === 'x64' ? 'x64' : process.arch
const system = process.platform === 'darwin' ? 'macos' : process.platform

/** What every runner on a machine like this one has: GitHub's labels of a self-hosted runner. */
export const ownLabels: readonly string[] = ['self-hosted', system, architecture]

/** What the runner of the server itself has: it stands in for GitHub's hosted Ubuntu machines. */
export const localLabels: readonly string[] = [...ownLabels, 'ubuntu-*', 'local']

/** Whether a label names a machine that only GitHub hosts; such a job would wait for ever. */
export const isHostedElsewhere = (label: string): boolean => /^(windows|macos)(-|$)/.test(label)

const words = ['[skip ci]', '[ci skip]', '[no ci]', '[skip actions]', '[actions skip]']

/**
 * Whether a commit's message asks that pushes and pull requests start nothing; returns what asks for it. A `skip-checks` trailer counts
 * as the last one, after two empty lines as documented, or one, which is what is left when Git has cleaned the message up.
 * https://docs.github.com/en/actions/how-tos/manage-workflow-runs/skip-workflow-runs
 */
export const skipInstruction = (message: string): string | undefined => {
  const lowered = message.toLowerCase()
  const word = words.find((one) => lowered.includes(one))
  if (word !== undefined) return word
  const trailers = message.trimEnd().split(/\n[ \t]*\n/)
  const last = trailers.length > 1 ? trailers.at(-1)?.split('\n').at(-1)?.trim() : undefined
  return last !== undefined && /^skip-checks: ?true$/i.test(last) ? last : undefined
}

import type { ActionCall } from '../jobs/actions.ts'

/**
 * The input `lfs` of `actions/checkout`: what stands in the commit as pointers of Git LFS is fetched by the job's own git-lfs, from where `.lfsconfig` says that
 * it is. A repository without such files needs no server. Throws an Error that says what is missing.
 */
export const checkOutLargeFiles = async ({ inputs, run }: ActionCall, target: string): Promise<void> => {
  const wanted = (inputs.lfs ?? 'false').trim().toLowerCase()
  if (wanted === 'false' || wanted === '') return
  if (wanted !== 'true') throw new Error(`lfs: ${inputs.lfs} is neither true nor false`)
  const found = await run(['git', 'lfs', 'version'], { cwd: target })
  if (found.outcome !== 'success')
    throw new Error(
      'lfs: git-lfs is not installed where this job runs; install its package git-lfs, or leave the input out',
    )
  const pulled = await run(['sh', '-e', '-c', script], { cwd: target })
  if (pulled.outcome !== 'success')
    throw new Error(
      `lfs: git lfs pull failed: ${pulled.detail}; this Git host keeps no files of Git LFS itself: they come from where lfs.url in .lfsconfig says that they are`,
    )
}

const script = `
export GIT_TERMINAL_PROMPT=0
git lfs install --local
git lfs pull
`

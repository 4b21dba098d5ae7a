import { CommitId } from '../../names.ts'
import { git } from '../git.ts'

/** The commit that a version of an action names: a tag, else a branch, else a full commit; null when it is none of them. */
export const commitOfVersion = async (gitDirectory: string, version: string): Promise<CommitId | null> => {
  const isCommit = CommitId.safeParse(version).success
  for (const candidate of isCommit ? [version] : [`refs/tags/${version}`, `refs/heads/${version}`]) {
    const revision = `${candidate}^{commit}`
    const said = await git(gitDirectory, 'rev-parse', '--verify', '--quiet', '--end-of-options', revision).catch(
      () => '',
    )
    const commit = CommitId.safeParse(said.trim())
    if (commit.success) return commit.data
  }
  return null
}

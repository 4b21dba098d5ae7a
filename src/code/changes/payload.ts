import type { CommitId } from '../../names.ts'
import type { Change } from './change.ts'

export type PullRequestAction = 'opened' | 'synchronize' | 'reopened' | 'closed'

/**
 * A change as the `pull_request` event of GitHub tells it (docs.github.com, "Webhook events and payloads", pull_request): `github.event`
 * of the workflows that it starts.
 */
export const pullRequestPayload = (
  change: Change,
  about: {
    action: PullRequestAction
    sender: string
    /** The commit of the target that it stands on. */
    base: CommitId
    /** The merge result; null where there is none. */
    candidate: CommitId | null
    serverUrl: string
    defaultBranch: string
    /** Where the head was before; null unless it was pushed again. */
    before: CommitId | null
  },
): Record<string, unknown> => {
  const { project, repository, number, title, body, branch, target, head, author, merged, status } = change
  const { action, base, candidate, serverUrl, defaultBranch, before, sender } = about
  const url = changeUrl(serverUrl, change)
  const user = { login: author, type: 'User' }
  const owner = { login: project, name: project }
  const repo = {
    name: repository,
    full_name: `${project}/${repository}`,
    owner,
    private: true,
    fork: false,
    default_branch: defaultBranch,
    clone_url: `${serverUrl}/git/${project}/${repository}.git`,
    html_url: `${serverUrl}/git/${project}/${repository}`,
  }
  return {
    action,
    number,
    ...(action === 'synchronize' && before !== null ? { before, after: head } : {}),
    pull_request: {
      number,
      url,
      html_url: url,
      diff_url: `${url}/diff`,
      state: status === 'open' ? 'open' : 'closed',
      title: title ?? '',
      body: body ?? '',
      draft: false,
      user,
      author_association: 'MEMBER',
      head: { ref: branch, sha: head, label: `${project}:${branch}`, user: owner, repo },
      base: { ref: target, sha: base, label: `${project}:${target}`, user: owner, repo },
      labels: [],
      assignees: [],
      requested_reviewers: [],
      merged: status === 'merged',
      merged_at: merged ? new Date(merged.at).toISOString() : null,
      merged_by: merged?.user ? { login: merged.user, type: 'User' } : null,
      merge_commit_sha: merged?.after ?? candidate,
      created_at: new Date(change.openedAt).toISOString(),
      updated_at: new Date(change.updatedAt).toISOString(),
    },
    repository: repo,
    sender: { login: sender, type: 'User' },
  }
}

/** Where the API shows a change. */
export const changeUrl = (
  serverUrl: string,
  { project, repository, number }: Pick<Change, 'project' | 'repository' | 'number'>,
): string => `${serverUrl}/api/v1/projects/${project}/repositories/${repository}/changes/${number}`

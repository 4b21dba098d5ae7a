import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { createRepositories } from '../code/repositories.ts'
import { ProjectName, RepositoryName } from '../names.ts'
import { given, playScene } from './scene.testing.ts'

await playScene({
  'a repository whose first branch is master': async (directory) => {
    const repositories = createRepositories(join(directory, 'repositories'))
    const key = { project: ProjectName.parse('default'), repository: RepositoryName.parse('shop') }
    const bare = repositories.pathOf(key)
    await given(directory, () => {
      const work = join(directory, 'work')
      const git = (...words: string[]) => execFileSync('git', words, { stdio: 'ignore' })
      git('init', '-q', '-b', 'master', work)
      git('-C', work, '-c', 'user.name=a', '-c', 'user.email=a@b', 'commit', '--allow-empty', '-m', 'First')
      git('init', '-q', '--bare', '-b', 'main', bare)
      git('-C', work, 'push', '-q', bare, 'master')
    })
    await repositories.settleHead(key)
    await repositories.maintain(key, new AbortController().signal)
    return [readFileSync(join(bare, 'HEAD'), 'utf8'), execFileSync('git', ['-C', bare, 'fsck']).toString()]
  },
})

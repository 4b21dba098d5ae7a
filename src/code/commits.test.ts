import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { commitsBetween } from './commits.ts'

const start = Date.UTC(2026, 0, 5)

test('what came between two commits is listed, the newest first, of the folder that counts, and so many of it', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'headway-commits-'))
  try {
    let second = 0
    const git = (...args: string[]): string => {
      const at = `${start / 1000 + second} +0000`
      return execFileSync('git', args, {
        cwd: directory,
        env: {
          ...{ PATH: process.env.PATH ?? '', HOME: directory, GIT_CONFIG_NOSYSTEM: '1', GIT_AUTHOR_NAME: 'Ada' },
          ...{ GIT_AUTHOR_EMAIL: 'ada@example.com', GIT_COMMITTER_NAME: 'x', GIT_COMMITTER_EMAIL: 'x@example.com' },
          ...{ GIT_AUTHOR_DATE: at, GIT_COMMITTER_DATE: at },
        },
        encoding: 'utf8',
      }).trim()
    }
    const commit = (path: string, title: string): string => {
      second += 1
      execFileSync('sh', ['-c', 'mkdir -p "$(dirname "$0")" && echo "$1" >> "$0"', path, title], { cwd: directory })
      git('add', '-A')
      git('commit', '-q', '-m', `${title}\n\nand why`)
      return git('rev-parse', 'HEAD')
    }
    git('init', '-q', '-b', 'main')
    const [first, cart, rest] = [commit('a', 'first'), commit('shop/cart', 'the cart'), commit('b', 'the rest')]
    const bare = join(directory, '.git')
    const listed = (id: string, title: string, at: number) => ({
      ...{ commit: id, title, author: 'Ada', committedAt: start + at * 1000, isMerge: false },
    })

    const all = { since: first, until: rest, path: '.', limit: 10 }
    assert.deepEqual(await commitsBetween(bare, all), {
      commits: [listed(rest, 'the rest', 3), listed(cart, 'the cart', 2)],
      areMore: false,
    })
    assert.deepEqual(await commitsBetween(bare, { ...all, path: 'shop' }), {
      commits: [listed(cart, 'the cart', 2)],
      areMore: false,
    })
    assert.deepEqual(await commitsBetween(bare, { ...all, since: null, limit: 1 }), {
      commits: [listed(rest, 'the rest', 3)],
      areMore: true,
    })
    assert.equal(await commitsBetween(bare, { ...all, since: 'f'.repeat(40) }), null)
  } finally {
    rmSync(directory, { recursive: true, force: true })
  }
})

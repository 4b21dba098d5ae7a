import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type CacheOf, goCache, nodeCache, pythonCache } from './setup-cache.ts'

/** What it asks for in a workspace in which these patterns match something, and what it says. */
const asked = async (cacheOf: CacheOf, inputs: Record<string, string>, matching: readonly string[]) => {
  const said: string[] = []
  const call = {
    inputs,
    workspace: { work: '/w' },
    hashFiles: async (patterns: readonly string[]) => patterns.filter((one) => matching.includes(one)).join('+'),
    say: (line: string) => said.push(line),
  }
  const answer = await cacheOf(call, '1.2.3').catch((error: unknown) => String(error))
  return said.length > 0 ? { answer, said } : answer
}

const arch = process.arch

test('a cache is kept by the lock file that setup-node, -python and -go look at', async () => {
  assert.deepEqual(await asked(nodeCache, { cache: 'npm' }, ['yarn.lock', 'npm-shrinkwrap.json']), {
    paths: ['~/.npm'],
    key: `node-cache-Linux-${arch}-npm-npm-shrinkwrap.json`,
  })
  assert.deepEqual(
    await asked(nodeCache, { cache: 'pnpm', 'cache-dependency-path': ' a/*.yaml\n\nb ' }, ['a/*.yaml', 'b']),
    { paths: ['~/.local/share/pnpm/store'], key: `node-cache-Linux-${arch}-pnpm-a/*.yaml+b` },
  )
  assert.deepEqual(await asked(pythonCache, { cache: 'pip' }, ['**/pyproject.toml']), {
    paths: ['~/.cache/pip'],
    key: `setup-python-Linux-${arch}-python-1.2.3-pip-**/pyproject.toml`,
    restoreKeys: [`setup-python-Linux-${arch}-python-1.2.3-pip`],
  })
  for (const cacheOf of [nodeCache, pythonCache]) assert.equal(await asked(cacheOf, {}, ['package-lock.json']), null)
})

test('setup-go keeps a cache unless it is told not to', async () => {
  const key = `setup-go-Linux-${arch}-go-1.2.3-go.sum`
  const paths = ['~/go/pkg/mod', '~/.cache/go-build']
  for (const yes of [{}, { cache: 'true' }]) assert.deepEqual(await asked(goCache, yes, ['go.sum']), { paths, key })
  for (const no of ['false', 'False', '']) assert.equal(await asked(goCache, { cache: no }, ['go.sum']), null)
  assert.match(String(await asked(goCache, { cache: 'perhaps' }, ['go.sum'])), /Core Schema" specification: cache/)
})

test('without such a file setup-node and -python fail, as on GitHub, and setup-go warns', async () => {
  assert.equal(
    await asked(nodeCache, { cache: 'npm' }, []),
    'Error: Dependencies lock file is not found in /w. Supported file patterns: package-lock.json,npm-shrinkwrap.json,yarn.lock',
  )
  assert.equal(
    await asked(nodeCache, { cache: 'npm', 'cache-dependency-path': 'x' }, ['package-lock.json']),
    'Error: Some specified paths were not resolved, unable to cache dependencies: x',
  )
  assert.equal(await asked(nodeCache, { cache: 'bower' }, []), "Error: Caching for 'bower' is not supported")
  assert.equal(
    await asked(pythonCache, { cache: 'pip' }, []),
    'Error: No file in /w matched to [**/requirements.txt or **/pyproject.toml], make sure you have checked out the target repository',
  )
  assert.equal(await asked(pythonCache, { cache: 'conda' }, []), "Error: Caching for 'conda' is not supported")
  assert.deepEqual(await asked(goCache, {}, []), {
    answer: null,
    said: ['##[warning]Restore cache failed: Dependencies file is not found in /w. Supported file pattern: go.sum'],
  })
})

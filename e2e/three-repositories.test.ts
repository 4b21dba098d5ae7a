import assert from 'node:assert/strict'
import { rmSync } from 'node:fs'
import { after, before, describe, test } from 'node:test'
import { homeWithNodes } from './support/nodes.ts'
import { type Platform, type Repository, startPlatform } from './support/platform.ts'
import { jobsOf, runsOf } from './support/runs.ts'

/**
 * Workflow files in the shapes that public repositories of three kinds have them: a Node.js library with a matrix, a Python package that
 * is tested, checked and built for release by tag, and a Go tool. What they would fetch from elsewhere is left out, the structure is kept.
 */
describe('the workflow files of public repositories', { concurrency: 3 }, () => {
  let platform: Platform
  before(async () => {
    platform = await startPlatform({ home: homeWithNodes('18.20.4', '22.11.0') })
  })
  after(() => platform.destroy())

  /** Pushes these words and resolves to how the runs of the newest commit ended. */
  const pushed = async (name: string, repository: Repository, words: readonly string[]) => {
    const { output } = await repository.push(words)
    const commit = (await repository.git('rev-parse', 'HEAD')).stdout.trim()
    return { output, runs: await runsOf(platform, name, commit) }
  }
  const withRepository = async (
    name: string,
    files: Record<string, string>,
    work: (repository: Repository) => Promise<void>,
  ): Promise<void> => {
    const repository = await platform.repository(name, files)
    try {
      await work(repository)
    } finally {
      rmSync(repository.directory, { recursive: true, force: true })
    }
  }

  test('of a Node.js library: every row of the matrix on its own version, a change of the docs alone runs nothing', () =>
    withRepository('node-library', nodeLibrary, async (repository) => {
      const first = await pushed('node-library', repository, ['main'])
      assert.deepEqual(
        first.runs.map((run) => [run.name, run.conclusion, jobsOf(run)]),
        [
          [
            'CI',
            'success',
            [
              'Dependency review: skipped',
              'Lint: success',
              'Test (18, ubuntu-latest): success',
              'Test (22, ubuntu-latest, strict): success',
              'Automerge: skipped',
            ].sort(),
          ],
        ],
        first.output,
      )
      await repository.commit('Docs only', { 'docs/guide.md': 'More.' })
      assert.deepEqual((await pushed('node-library', repository, ['main'])).runs, [])
      // What only the newer version can do fails the other row, and that row alone.
      await repository.commit('Use a new function', { 'test/group.test.js': usesGroupBy })
      const broken = await pushed('node-library', repository, ['main'])
      assert.deepEqual(
        broken.runs.map((run) => [run.conclusion, jobsOf(run).filter((job) => job.startsWith('Test'))]),
        [['failure', ['Test (18, ubuntu-latest): failure', 'Test (22, ubuntu-latest, strict): success']]],
        broken.output,
      )
      assert.match(broken.output, /not deployed: the step "Run npm test" failed/)
    }))

  test('of a Python package: tests by an include-only matrix, a build whose checksum is an output, a release only by tag', () =>
    withRepository('python-package', pythonPackage, async (repository) => {
      const onBranch = await pushed('python-package', repository, ['main'])
      assert.deepEqual(
        onBranch.runs.map((run) => [run.name, run.conclusion, jobsOf(run)]),
        [['Tests', 'success', ['Development: success', 'Python 3: success', 'typing: success']]],
        onBranch.output,
      )
      await repository.git('tag', 'v1.2.0')
      const { runs, output } = await pushed('python-package', repository, ['v1.2.0'])
      const publish = runs.find(({ name }) => name === 'Publish')
      assert.ok(publish, output)
      assert.deepEqual(
        [publish.conclusion, jobsOf(publish)],
        ['success', ['build: success', 'create-release: success', 'publish-pypi: success']],
        output,
      )
    }))

  test('of a Go tool: vet and test on branches, binaries for each platform and a release with its version by tag', () =>
    withRepository('go-tool', goTool, async (repository) => {
      const onBranch = await pushed('go-tool', repository, ['main'])
      assert.deepEqual(
        onBranch.runs.map((run) => [run.name, run.conclusion, jobsOf(run)]),
        [['Test', 'success', ['test: success']]],
        onBranch.output,
      )
      await repository.git('tag', '--annotate', '--message', 'v0.3.1', 'v0.3.1')
      const tagged = await pushed('go-tool', repository, ['v0.3.1'])
      assert.deepEqual(
        tagged.runs
          .filter(({ ref }) => ref === 'refs/tags/v0.3.1')
          .map((run) => [run.name, run.conclusion, jobsOf(run)]),
        [
          [
            'Release',
            'success',
            ['announce: skipped', 'build (amd64): success', 'build (arm64): success', 'release: success'],
          ],
        ],
        tagged.output,
      )
    }))
})

const usesGroupBy = `const { test } = require('node:test')
const assert = require('node:assert')
test('groups', () => {
  // What Node.js 18 does not have.
  assert.ok(!process.env.NODE_STAND_IN.startsWith('18'), 'Object.groupBy is not a function')
})
`

const nodeLibrary: Record<string, string> = {
  '.github/workflows/ci.yml': `name: CI

on:
  push:
    branches:
      - main
      - next
      - 'v*'
    paths-ignore:
      - 'docs/**'
      - '*.md'
  pull_request:
    paths-ignore:
      - 'docs/**'
      - '*.md'

# This allows a subsequently queued workflow run to interrupt previous runs
concurrency:
  group: "\${{ github.workflow }}-\${{ github.event.pull_request.head.label || github.head_ref || github.ref }}"
  cancel-in-progress: true

permissions:
  contents: read

env:
  FORCE_COLOR: 0

jobs:
  dependency-review:
    name: Dependency review
    if: github.event_name == 'pull_request'
    runs-on: ubuntu-latest
    steps:
      - uses: actions/dependency-review-action@v4

  lint:
    name: Lint
    runs-on: ubuntu-latest
    steps:
      - name: Check out repo
        uses: actions/checkout@v4
        with:
          persist-credentials: false
      - name: Setup Node
        uses: actions/setup-node@v4
        with:
          check-latest: true
          node-version: lts/*
      - run: npm run lint --if-present

  test:
    name: Test (\${{ matrix.node-version }}, \${{ matrix.os }}\${{ matrix.strict && ', strict' || '' }})
    needs: lint
    runs-on: \${{ matrix.os }}
    permissions:
      contents: read
    strategy:
      fail-fast: false
      matrix:
        node-version: [18, 22]
        os: [ubuntu-latest, windows-latest]
        exclude:
          - os: windows-latest
        include:
          - node-version: 22
            os: ubuntu-latest
            strict: true
    steps:
      - uses: actions/checkout@v4
        with:
          persist-credentials: false
      - name: Setup Node \${{ matrix.node-version }}
        uses: actions/setup-node@v4
        with:
          node-version: \${{ matrix.node-version }}
          cache: npm
          cache-dependency-path: package.json
      - name: Is it that version?
        run: test "$(node --version | cut -d. -f1)" = "v\${{ matrix.node-version }}"
      - run: npm install --ignore-scripts --no-audit --no-fund
      - run: npm test
        env:
          STRICT: \${{ matrix.strict }}

  automerge:
    name: Automerge
    if: >
      github.event_name == 'pull_request' &&
      github.event.pull_request.user.login == 'dependabot[bot]'
    needs: test
    runs-on: ubuntu-latest
    permissions:
      pull-requests: write
      contents: write
    steps:
      - uses: some/automerge-action@v3
        with:
          github-token: \${{ secrets.GITHUB_TOKEN }}
`,
  'package.json': JSON.stringify({
    name: 'node-library',
    version: '1.0.0',
    main: 'index.js',
    scripts: { lint: 'node --check index.js', test: 'node --test test/' },
  }),
  'index.js': 'module.exports = (a, b) => a + b\n',
  'test/index.test.js': `const { test } = require('node:test')
const assert = require('node:assert')
test('adds', () => assert.strictEqual(require('..')(1, 2), 3))
`,
}

const pythonPackage: Record<string, string> = {
  '.github/workflows/tests.yaml': `name: Tests
on:
  pull_request:
    paths-ignore: ['docs/**', 'README.md']
  push:
    branches: [main, stable]
    paths-ignore: ['docs/**', 'README.md']
jobs:
  tests:
    name: \${{ matrix.name || format('Python {0}', matrix.python) }}
    runs-on: \${{ matrix.os || 'ubuntu-latest' }}
    strategy:
      fail-fast: false
      matrix:
        include:
          - {python: '3'}
          - {name: Development, python: '>=3.8', dev: true}
    steps:
      - uses: actions/checkout@v4
      - uses: actions/setup-python@v5
        with:
          python-version: \${{ matrix.python }}
          allow-prereleases: true
          cache: pip
          cache-dependency-path: pyproject.toml
      - run: python -W error -m unittest discover -s tests -t . -v
        if: \${{ !matrix.dev }}
      - run: python -X dev -m unittest discover -s tests -t .
        if: matrix.dev
  typing:
    runs-on: ubuntu-latest
    steps:
      - uses: actions/checkout@v4
      - uses: actions/setup-python@v5
        with:
          python-version: 3.x
      - name: cache mypy
        uses: actions/cache@v4
        with:
          path: ./.mypy_cache
          key: mypy|\${{ hashFiles('pyproject.toml') }}
      - run: python -m compileall -q src
`,
  '.github/workflows/publish.yaml': `name: Publish
on:
  push:
    tags: ['*']
jobs:
  build:
    runs-on: ubuntu-latest
    outputs:
      hash: \${{ steps.hash.outputs.hash }}
    steps:
      - uses: actions/checkout@v4
      - uses: actions/setup-python@v5
        with:
          python-version: '3.x'
      # Use the commit date instead of the current date during the build.
      - run: echo "SOURCE_DATE_EPOCH=$(git log -1 --pretty=%ct)" >> $GITHUB_ENV
      - run: |
          test -n "$SOURCE_DATE_EPOCH"
          mkdir dist
          python -m zipfile -c dist/package-\${GITHUB_REF_NAME#v}.zip src/
      - name: generate hash
        id: hash
        run: cd dist && echo "hash=$(sha256sum * | base64 -w0)" >> $GITHUB_OUTPUT
      - uses: actions/upload-artifact@v4
        with:
          path: ./dist
  create-release:
    needs: [build]
    permissions:
      contents: write
    runs-on: ubuntu-latest
    env:
      HASH: \${{ needs.build.outputs.hash }}
    steps:
      - uses: actions/download-artifact@v4
      - name: the checksum of what was built is that of what arrived
        run: cd artifact && echo "$HASH" | base64 -d | sha256sum --check --strict && ls package-1.2.0.zip
  publish-pypi:
    needs: [build, create-release]
    # Wait for approval before attempting to upload.
    runs-on: ubuntu-latest
    if: github.repository == 'default/python-package' && startsWith(github.ref, 'refs/tags/')
    permissions:
      id-token: write
    steps:
      - uses: actions/download-artifact@v4
        with:
          name: artifact
          path: dist/
      - run: test -s dist/package-1.2.0.zip
`,
  'pyproject.toml': '[project]\nname = "package"\nversion = "1.2.0"\nrequires-python = ">=3.8"\n',
  'src/package/__init__.py': 'def add(a, b):\n    return a + b\n',
  'tests/__init__.py': '',
  'tests/test_add.py': `import sys
import unittest

sys.path.insert(0, 'src')
from package import add


class TestAdd(unittest.TestCase):
    def test_add(self):
        self.assertEqual(add(1, 2), 3)
`,
}

const goTool: Record<string, string> = {
  '.github/workflows/test.yml': `name: Test
on:
  push:
    branches: ['**']
  pull_request:

permissions:
  contents: read

env:
  GOFLAGS: -mod=readonly
  CGO_ENABLED: 0

defaults:
  run:
    shell: bash

jobs:
  test:
    runs-on: ubuntu-latest
    timeout-minutes: 10
    steps:
      - uses: actions/checkout@v4
        with:
          fetch-depth: 0
      - uses: actions/setup-go@v5
        with:
          go-version-file: go.mod
          check-latest: true
      - run: go vet ./...
      - name: Test
        run: go test -v ./...
`,
  '.github/workflows/release.yml': `name: Release
on:
  push:
    tags: ['v[0-9]+.*']

env:
  CGO_ENABLED: 0

jobs:
  build:
    runs-on: ubuntu-latest
    strategy:
      matrix:
        goarch: [amd64, arm64]
    name: build (\${{ matrix.goarch }})
    steps:
      - uses: actions/checkout@v4
      - uses: actions/setup-go@v5
        with:
          go-version-file: go.mod
      - name: Build
        env:
          GOARCH: \${{ matrix.goarch }}
        run: |
          version="\${{ github.ref_type == 'tag' && github.ref_name || 'dev' }}"
          go build -trimpath -buildvcs=false -ldflags "-s -w -X main.version=\${version#v}" -o "dist/tool-linux-$GOARCH" .
      - uses: actions/upload-artifact@v4
        with:
          name: tool-\${{ matrix.goarch }}
          path: dist/*
          if-no-files-found: error

  release:
    needs: build
    if: startsWith(github.ref, 'refs/tags/v')
    runs-on: ubuntu-latest
    permissions:
      contents: write
    steps:
      - uses: actions/checkout@v4
      - uses: actions/download-artifact@v4
        with:
          pattern: tool-*
          merge-multiple: true
          path: dist
      - name: The tag is on this commit, the binaries are for their platforms and carry the version
        run: |
          test "$(git rev-parse HEAD)" = "$GITHUB_SHA"
          test -s dist/tool-linux-amd64 && test -s dist/tool-linux-arm64
          own=dist/tool-linux-$(uname -m | sed 's/x86_64/amd64/; s/aarch64/arm64/')
          chmod +x "$own"
          test "$("$own" --version 2>&1)" = "tool 0.3.1"

  announce:
    needs: release
    if: \${{ !contains(github.ref_name, '0.') }}
    runs-on: ubuntu-latest
    steps:
      - run: exit 1
`,
  'go.mod': 'module example.org/tool\n\ngo 1.18\n',
  'main.go': `package main

var version = "none"

func greeting() string { return "tool " + version }

func main() { println(greeting()) }
`,
  'main_test.go': `package main

import "testing"

func TestGreeting(t *testing.T) {
	if greeting() != "tool none" {
		t.Fatal(greeting())
	}
}
`,
}

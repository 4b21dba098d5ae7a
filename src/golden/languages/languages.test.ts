import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { describeProblem, Problem } from '../../problem.ts'
import { parseServiceFile } from '../parse.ts'
import type { LanguageName, LanguagePlan } from '../service.ts'
import { folder } from '../testing.ts'
import { languages } from './index.ts'

type Files = Readonly<Record<string, string | null>>

const planOf = (language: LanguageName, files: Files, more = ''): LanguagePlan => {
  const parsed = parseServiceFile(`name: shop\nlanguage: ${language}\n${more}`, 'headway.yaml')
  if (parsed.kind === 'refused') throw new Error(parsed.problems.map(describeProblem).join('\n'))
  return languages[language].plan(folder(files), parsed.service)
}
const brief = ({ install, installForProduction, lint, test, build, start }: LanguagePlan) => ({
  ...{ install: install.join('; '), production: installForProduction.join('; ') },
  ...{ lint: lint.join('; '), test: test.join('; '), build: build.join('; '), start: start.join(' ') },
})
const pack = (value: object): string => JSON.stringify(value)
const pip = (words: string): string => {
  const once = `python3 -m pip install --quiet --no-compile --no-warn-script-location --target .headway/python ${words}`
  return `${once} || { echo 'pip failed: once more in 3 s, in case the package index only stumbled'; sleep 3; ${once}; }`
}
const nothing = { install: '', production: '', lint: '', test: '', build: '' }

test('Node.js is planned from package.json and the lock file', () => {
  const dev = { devDependencies: { typescript: '5' } }
  const scripts = { start: 'node src/server.js', test: 'node --test', lint: 'eslint .', build: 'tsc' }
  const cases: readonly (readonly [Files, ReturnType<typeof brief>])[] = [
    [{ 'server.js': null }, { ...nothing, start: 'node server.js' }],
    [{ 'package.json': pack({ main: 'lib/main.js' }) }, { ...nothing, start: 'node lib/main.js' }],
    [
      { 'package.json': pack({ scripts, ...dev }), 'package-lock.json': null },
      {
        ...{ install: 'npm ci --no-audit --no-fund', production: 'npm ci --omit=dev --no-audit --no-fund' },
        ...{ lint: 'npm run lint', test: 'npm test', build: 'npm run build', start: 'node src/server.js' },
      },
    ],
    [
      { 'package.json': pack({ scripts: { start: 'next start' } }), 'pnpm-lock.yaml': null },
      {
        ...{ ...nothing, install: 'pnpm install --frozen-lockfile', production: 'pnpm install --frozen-lockfile' },
        start: 'sh -c PATH="$PWD/node_modules/.bin:$PATH"; exec next start',
      },
    ],
    [
      { 'package.json': pack({ scripts: { start: 'node a.js', prestart: 'x' }, ...dev }), 'yarn.lock': null },
      {
        ...{ ...nothing, install: 'yarn install --frozen-lockfile', start: 'npm start' },
        production: 'yarn install --frozen-lockfile --production',
      },
    ],
    [
      {
        'package.json': pack({
          scripts: { start: 'NODE_OPTIONS=--x node a.js', test: 'echo "Error: no test specified" && exit 1' },
        }),
      },
      { ...nothing, start: 'sh -c PATH="$PWD/node_modules/.bin:$PATH"; NODE_OPTIONS=--x node a.js' },
    ],
  ]
  for (const [files, expected] of cases) assert.deepEqual(brief(planOf('node', files)), expected)
})

test('Node.js asks for the version that package.json or a version file names', () => {
  const start = { scripts: { start: 'node a.js' } }
  assert.deepEqual(
    [
      planOf('node', { 'package.json': pack({ ...start, engines: { node: '>=22' } }) }),
      planOf('node', { 'package.json': pack(start), '.nvmrc': 'v22.1\n' }),
      planOf('node', { 'package.json': pack(start), '.nvmrc': 'lts/*\n' }),
    ].map(({ toolchain }) => toolchain?.range),
    ['>=22', '22.1', null],
  )
})

test('Python is planned from requirements and from what the modules hold', () => {
  const flask = 'from flask import Flask\napp = Flask(__name__)\n'
  const required = { install: pip('-r requirements.txt'), production: pip('-r requirements.txt') }
  const cases: readonly (readonly [Files, ReturnType<typeof brief>])[] = [
    [
      { 'app.py': flask, 'requirements.txt': 'flask\n' },
      { ...nothing, ...required, start: 'python3 .headway/wsgi.py app:app' },
    ],
    [
      { 'wsgi.py': 'def application(environ, start):\n' },
      { ...nothing, start: 'python3 .headway/wsgi.py wsgi:application' },
    ],
    [{ 'app.py': 'def create_app():\n' }, { ...nothing, start: 'python3 .headway/wsgi.py app:create_app()' }],
    [{ 'main.py': 'print(1)\n' }, { ...nothing, start: 'python3 main.py' }],
    [
      { 'app.py': flask, 'requirements.txt': 'flask==3\ngunicorn>=20\n' },
      { ...nothing, ...required, start: 'sh -c exec python3 -m gunicorn --threads 8 --bind "$HOST:$PORT" app:app' },
    ],
    [
      { 'main.py': 'app = FastAPI()\n', 'requirements.txt': 'fastapi\nuvicorn[standard]\n' },
      { ...nothing, ...required, start: 'sh -c exec python3 -m uvicorn main:app --host "$HOST" --port "$PORT"' },
    ],
    [
      { Procfile: 'web: gunicorn shop:app\n', 'requirements.txt': 'gunicorn\n' },
      { ...nothing, ...required, start: 'sh -c PATH="$PWD/.headway/python/bin:$PATH"; exec gunicorn shop:app' },
    ],
    [
      {
        'app.py': flask,
        'requirements.txt': 'flask --hash=sha256:00\n',
        'requirements-dev.txt': 'PyTest\nruff\n',
        tests: null,
      },
      {
        ...{ install: pip('--require-hashes -r requirements.txt -r requirements-dev.txt') },
        ...{ production: pip('--require-hashes -r requirements.txt'), lint: 'python3 -m ruff check .', build: '' },
        ...{
          test: 'python3 -m pytest -q -o junit_family=xunit1 --junitxml=junit.xml',
          start: 'python3 .headway/wsgi.py app:app',
        },
      },
    ],
    [
      { 'app.py': flask, tests: null },
      { ...nothing, test: 'python3 -m unittest discover -s tests -t .', start: 'python3 .headway/wsgi.py app:app' },
    ],
    [
      { 'app.py': flask, 'test_app.py': '', 'pyproject.toml': 'requires-python = ">=3.10"\n' },
      {
        ...{ ...nothing, install: pip('.'), production: pip('.') },
        ...{ test: 'python3 -m unittest discover', start: 'python3 .headway/wsgi.py app:app' },
      },
    ],
  ]
  for (const [files, expected] of cases) assert.deepEqual(brief(planOf('python', files)), expected)
})

test('pip is asked once more where it fails, and no third time', () => {
  const directory = mkdtempSync(join(tmpdir(), 'headway-pip-'))
  try {
    const asked = join(directory, 'asked')
    writeFileSync(join(directory, 'sleep'), '#!/bin/sh\n', { mode: 0o755 })
    const [command = ''] = planOf('python', { 'app.py': 'app = Flask()\n', 'requirements.txt': 'flask\n' }).install
    for (const [failures, status, times] of [
      [0, 0, 1],
      [1, 0, 2],
      [2, 1, 2],
    ] as const) {
      writeFileSync(asked, '')
      const fake = `#!/bin/sh\necho >>'${asked}'\n[ "$(wc -l <'${asked}')" -gt ${failures} ]\n`
      writeFileSync(join(directory, 'python3'), fake, { mode: 0o755 })
      const env = { PATH: `${directory}:/usr/bin:/bin` }
      const ended = spawnSync('bash', ['-e', '-c', command], { env, encoding: 'utf8' })
      const seen = { status: ended.status, times: readFileSync(asked, 'utf8').length }
      assert.deepEqual(seen, { status, times }, ended.stderr)
      assert.equal(ended.stdout.includes('once more'), failures > 0)
    }
  } finally {
    rmSync(directory, { recursive: true, force: true })
  }
})

test('Go builds one binary without a C library, and packages no source', () => {
  const plan = planOf('go', { 'go.mod': 'module x\n\ngo 1.22\n', 'main.go': null })
  assert.deepEqual(brief(plan), {
    ...{ install: 'go mod download; go list -e -export -deps -test ./... > /dev/null', production: '' },
    ...{ lint: 'go vet ./...', test: 'go test ./...', start: 'bin/shop' },
    build: 'go build -trimpath -buildvcs=false -o bin/shop .',
  })
  assert.deepEqual(
    [plan.toolchain, plan.env.CGO_ENABLED, plan.exclude.includes('*.go')],
    [{ program: 'go', range: '>=1.22' }, '0', true],
  )
  const vendored = planOf('go', { 'go.mod': '', vendor: null, cmd: null })
  assert.deepEqual(
    [vendored.env.GOFLAGS, vendored.build],
    ['-mod=vendor -trimpath', ['go build -trimpath -buildvcs=false -o bin/shop ./cmd/shop']],
  )
})

test('a static site is served from its folder, or from what its build writes', () => {
  const serve = 'node .headway/static-server.mjs'
  assert.deepEqual(brief(planOf('static', { 'index.html': null })), { ...nothing, start: `${serve} .` })
  assert.deepEqual(brief(planOf('static', { public: null })), { ...nothing, start: `${serve} public` })
  const built = planOf('static', {
    'package.json': pack({ scripts: { build: 'vite build' }, devDependencies: { vite: '6' } }),
    'package-lock.json': null,
  })
  assert.deepEqual(brief(built), {
    ...{ install: 'npm ci --no-audit --no-fund', production: '', lint: '', test: '', build: 'npm run build' },
    start: `${serve} dist build public out _site`,
  })
})

test('commands of headway.yaml stand instead of what the language would do', () => {
  const more = 'commands: { lint: a, test: b, build: c, start: "exec d && e" }\n'
  const go = { 'go.mod': 'module x\n', 'main.go': null }
  for (const [language, files] of [
    ['node', { 'server.js': null }],
    ['python', { 'app.py': '' }],
    ['go', go],
    ['static', { public: null }],
  ] as const) {
    const { lint, test: tested, build, start } = planOf(language, files, more)
    assert.deepEqual([lint, tested, build, start], [['a'], ['b'], ['c'], ['sh', '-c', 'exec d && e']])
  }
})

test('what a folder lacks is said with what to add', () => {
  const cases: readonly (readonly [LanguageName, Files, string, string])[] = [
    ['node', { 'package.json': '{' }, 'broken-package-json', 'package.json is not JSON: Expected property name or'],
    ['node', { 'package.json': '{"scripts": 3}' }, 'broken-package-json', 'package.json: scripts: '],
    [
      'node',
      { 'package.json': pack({ dependencies: { pg: '8' } }) },
      'lock-file-missing',
      'package.json asks for pg, but no lock',
    ],
    ['node', { 'package.json': '{}' }, 'start-unknown', 'nothing says how the service starts: package.json has no'],
    [
      'python',
      { 'requirements.txt': '' },
      'start-unknown',
      'nothing says how the service starts: there is no Procfile',
    ],
    ['go', { 'main.go': null }, 'go-module-missing', 'a Go service is a module, and there is no go.mod'],
  ]
  for (const [language, files, kind, begins] of cases)
    assert.throws(
      () => planOf(language, files),
      (error) =>
        error instanceof Problem && error.kind === kind && error.detail.startsWith(begins) && !begins.endsWith('?'),
    )
})

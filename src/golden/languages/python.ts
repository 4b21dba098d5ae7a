import { readFileSync } from 'node:fs'
import { Problem } from '../../problem.ts'
import type { FolderFiles, Language, LanguagePlan } from '../service.ts'
import { startOf } from './shell.ts'

/** Where packages are installed: a folder that is put on PYTHONPATH, so that no virtual environment with paths in it is needed. */
const packages = '.headway/python'
const launcher = '.headway/wsgi.py'
/** Modules that may hold the application, in order of preference. */
const modules = ['app.py', 'wsgi.py', 'main.py', 'application.py', 'server.py'] as const

/** Where pytest takes options from, besides pyproject.toml. */
const pytestSettings = ['pytest.ini', 'setup.cfg', 'tox.ini'] as const

export const python: Language = {
  name: 'python',
  detect: ['requirements.txt', 'pyproject.toml', 'Pipfile', 'app.py', 'wsgi.py', 'main.py', 'manage.py'],
  lockFiles: ['requirements.txt', 'pyproject.toml'],
  dependencies: [packages],
  reads: [
    ...['requirements.txt', 'requirements-dev.txt', 'pyproject.toml', '.python-version', 'Procfile', ...modules],
    ...pytestSettings,
  ],
  plan: (folder, { commands }): LanguagePlan => {
    const required = requirementsOf(folder)
    const start = commands.start ? startOf(commands.start) : startCommand(folder, required)
    return {
      toolchain: { program: 'python3', range: rangeOf(folder) },
      install: installOf(folder, ['requirements.txt', 'requirements-dev.txt']),
      installForProduction: installOf(folder, ['requirements.txt']),
      lint: commands.lint ? [commands.lint] : required.has('ruff') ? ['python3 -m ruff check .'] : [],
      test: commands.test ? [commands.test] : testOf(folder, required),
      build: commands.build ? [commands.build] : [],
      start,
      env: { PYTHONPATH: packages, PYTHONDONTWRITEBYTECODE: '1', PIP_DISABLE_PIP_VERSION_CHECK: '1' },
      testEnv: {},
      startEnv: { PYTHONPATH: packages, PYTHONUNBUFFERED: '1' },
      include: null,
      exclude: ['.git', '.github', '.headway', '__pycache__', '.pytest_cache', '.venv', 'venv', '.tox', '*.pyc'],
      extras: start.includes(launcher) ? { [launcher]: wsgiLauncher() } : {},
    }
  },
}

const installOf = (folder: FolderFiles, files: readonly string[]): string[] => {
  const present = files.filter((file) => folder.names.includes(file))
  // --no-compile: byte code holds times, and would make two installations of the same lock file differ.
  const pip = `python3 -m pip install --quiet --no-compile --no-warn-script-location --target ${packages}`
  if (present.length > 0) {
    const hashes = present.some((file) => folder.read(file)?.includes('--hash=')) ? ' --require-hashes' : ''
    return [patiently(`${pip}${hashes} ${present.map((file) => `-r ${file}`).join(' ')}`)]
  }
  return folder.names.includes('pyproject.toml') ? [patiently(`${pip} .`)] : []
}

/**
 * The command, and the same once more where it fails. pip asks again only where a connection is refused or a few of the errors of a server
 * come back: one gateway's 502, or a download that breaks off, and it gives up. npm and Go ask again by themselves.
 */
const patiently = (command: string): string =>
  `${command} || { echo 'pip failed: once more in 3 s, in case the package index only stumbled'; sleep 3; ${command}; }`

/** The names of what is required, lower case, as PEP 503 writes them. */
const requirementsOf = (folder: FolderFiles): ReadonlySet<string> => {
  const lines = ['requirements.txt', 'requirements-dev.txt'].flatMap((file) => (folder.read(file) ?? '').split('\n'))
  const project =
    folder.read('pyproject.toml')?.match(/^\s*["'][A-Za-z0-9][^"']*["']\s*,?\s*$|dependencies\s*=\s*\[.*\]/gm) ?? []
  const named = [
    ...lines,
    ...project.flatMap((text) => text.match(/["']([^"']+)["']/g)?.map((one) => one.slice(1, -1)) ?? []),
  ]
  const names = named.map((line) =>
    /^\s*([A-Za-z0-9][A-Za-z0-9._-]*)/.exec(line)?.[1]?.toLowerCase().replace(/[._]+/g, '-'),
  )
  return new Set(names.filter((name) => name !== undefined))
}

const rangeOf = (folder: FolderFiles): string | null =>
  /^\s*(\d[\d.]*)\s*$/m.exec(folder.read('.python-version') ?? '')?.[1] ??
  /^\s*requires-python\s*=\s*["']([^"']+)["']/m.exec(folder.read('pyproject.toml') ?? '')?.[1] ??
  null

const testOf = (folder: FolderFiles, required: ReadonlySet<string>): string[] => {
  const atTop = folder.names.some((name) => /^(test_.*|.*_test)\.py$/.test(name))
  const inFolder = ['tests', 'test'].find((name) => folder.names.includes(name))
  if (!atTop && !inFolder) return []
  if (required.has('pytest')) return [`python3 -m pytest -q${reportOptions(folder)}`]
  const discover = 'python3 -m unittest discover'
  return [inFolder && !atTop ? `${discover} -s ${inFolder} -t .` : discover]
}

/** A report with the places of the tests (xunit1), except where the settings name one themselves. */
const reportOptions = (folder: FolderFiles): string => {
  const settings = [...pytestSettings, 'pyproject.toml'].map((name) => folder.read(name) ?? '').join('\n')
  return /junit-?xml/.test(settings) ? '' : ' -o junit_family=xunit1 --junitxml=junit.xml'
}

/**
 * How the application starts: as the Procfile says; else by the server that it requires itself; else, for a WSGI application
 * without one, by Headway's small launcher (threads, graceful stop) rather than by a framework's development server; else as a script.
 */
const startCommand = (folder: FolderFiles, required: ReadonlySet<string>): readonly [string, ...string[]] => {
  const web = /^web:\s*(.+)$/m.exec(folder.read('Procfile') ?? '')?.[1]
  // `gunicorn` in a Procfile is a script that pip put beside the packages.
  if (web)
    return [
      'sh',
      '-c',
      `PATH="$PWD/${packages}/bin:$PATH"; ${startOf(web)[0] === 'sh' ? startOf(web)[2] : `exec ${web}`}`,
    ]
  const found = applicationIn(folder)
  if (found?.kind === 'asgi' && required.has('uvicorn'))
    return ['sh', '-c', `exec python3 -m uvicorn ${found.target} --host "$HOST" --port "$PORT"`]
  if (found && required.has('gunicorn')) {
    const worker = found.kind === 'asgi' ? ' --worker-class uvicorn.workers.UvicornWorker' : ' --threads 8'
    return ['sh', '-c', `exec python3 -m gunicorn${worker} --bind "$HOST:$PORT" ${found.target}`]
  }
  if (found?.kind === 'wsgi' && required.has('waitress'))
    return ['sh', '-c', `exec python3 -m waitress --listen "$HOST:$PORT" ${found.target}`]
  if (found?.kind === 'wsgi') return ['python3', launcher, found.target]
  const script = [...modules].find((name) => folder.names.includes(name))
  if (script) return ['python3', script]
  throw new Problem({
    kind: 'start-unknown',
    status: 422,
    detail: `nothing says how the service starts: there is no Procfile and none of ${modules.join(', ')}`,
    next: 'add a line such as "web: gunicorn shop:app" to a Procfile, or commands: { start: ... } to headway.yaml',
  })
}

/** A module-level `app` or `application`, by what it is made from. */
const applicationIn = (folder: FolderFiles): { kind: 'wsgi' | 'asgi'; target: string } | null => {
  for (const name of modules) {
    const text = folder.read(name)
    if (text === null) continue
    const made =
      /^(app|application)\s*(?::[^=\n]+)?=\s*(?!=)(.*)$/m.exec(text) ??
      /^def (app|application|create_app)\((.*)$/m.exec(text)
    if (!made?.[1]) continue
    const kind = /FastAPI|Starlette|Quart|Litestar|get_asgi_application/.test(made[2] ?? '') ? 'asgi' : 'wsgi'
    const target = made[1] === 'create_app' ? 'create_app()' : made[1]
    return { kind, target: `${name.slice(0, -3)}:${target}` }
  }
  return null
}

const wsgiLauncher = (): string => readFileSync(new URL('wsgi.py', import.meta.url), 'utf8')

import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { request } from 'node:http'
import { tmpdir } from 'node:os'
import { basename, dirname, join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'

/** Whether this machine claims to have a Docker Engine. */
export const hasEngine = ['/usr/sbin/dockerd', '/usr/bin/dockerd'].some((path) => existsSync(path))

export type TestEngine = AsyncDisposable & {
  /** For DOCKER_HOST. */
  readonly host: string
  /** Asks the engine's API. */
  ask(method: string, path: string): Promise<unknown>
  /** Everything that Headway labels, by kind. */
  labelled(): Promise<{ containers: number; networks: number; volumes: number; images: number }>
}

/**
 * A Docker Engine of one's own in a temporary directory, with one image, `local/base:1`, made of this machine's own programs. Throws with
 * the engine's last words when it does not start: a machine that has the program claims that it can.
 */
export const startEngine = async (): Promise<TestEngine> => {
  const root = mkdtempSync(join(tmpdir(), 'hw-docker-'))
  const socket = join(root, 'docker.sock')
  const log = join(root, 'log')
  const child = spawn(
    'sh',
    [
      '-c',
      'exec dockerd "$@" >"$0" 2>&1',
      log,
      '--data-root',
      join(root, 'data'),
      '--exec-root',
      join(root, 'exec'),
      '--pidfile',
      join(root, 'pid'),
      '--host',
      `unix://${socket}`,
      '--bridge',
      'none',
      '--iptables=false',
      '--ip6tables=false',
    ],
    { stdio: 'ignore', env: { PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin' } },
  )
  const ask = (method: string, path: string, body?: Buffer): Promise<unknown> =>
    new Promise((resolve, reject) => {
      const asked = request({ socketPath: socket, method, path, agent: false }, (response) => {
        let text = ''
        response.setEncoding('utf8')
        response.on('data', (chunk: string) => {
          text += chunk
        })
        response.on('end', () => {
          if ((response.statusCode ?? 500) >= 400) reject(new Error(`${method} ${path}: ${text}`))
          else resolve(text.startsWith('{') || text.startsWith('[') ? JSON.parse(text.split('\n')[0] ?? '') : text)
        })
      })
      asked.once('error', reject)
      asked.end(body)
    })
  const stop = async (): Promise<void> => {
    await ended(child)
    for (const mount of mountsBelow(root)) execFileSync('umount', ['-l', mount])
    rmSync(root, { recursive: true, force: true })
  }
  try {
    for (let tries = 0; ; tries += 1) {
      if (await ask('GET', '/_ping').catch(() => null)) break
      if (tries > 300 || child.exitCode !== null)
        throw new Error(`dockerd is installed here but does not start:\n${readFileSync(log, 'utf8').slice(-2000)}`)
      await delay(100)
    }
    await ask('POST', '/images/create?fromSrc=-&repo=local/base&tag=1', baseImage(root))
  } catch (error) {
    await stop()
    throw error
  }
  const count = async (path: string, list: (answer: never) => unknown[] | null): Promise<number> => {
    const filters = encodeURIComponent(JSON.stringify({ label: ['headway.home'] }))
    return list((await ask('GET', `${path}${path.includes('?') ? '&' : '?'}filters=${filters}`)) as never)?.length ?? 0
  }
  return {
    host: `unix://${socket}`,
    ask,
    labelled: async () => ({
      containers: await count('/containers/json?all=true', (answer) => answer),
      networks: await count('/networks', (answer) => answer),
      volumes: await count('/volumes', ({ Volumes }: { Volumes: unknown[] | null }) => Volumes),
      images: await count('/images/json', (answer) => answer),
    }),
    [Symbol.asyncDispose]: stop,
  }
}

const ended = (child: ChildProcess): Promise<void> =>
  new Promise((resolve) => {
    if (child.exitCode !== null || child.signalCode !== null) return resolve()
    child.once('exit', () => resolve())
    child.kill('SIGTERM')
  })

const mountsBelow = (root: string): string[] =>
  readFileSync('/proc/mounts', 'utf8')
    .split('\n')
    .flatMap((line) => line.split(' ')[1] ?? [])
    .filter((path) => path.startsWith(`${root}/`))
    .reverse()

const programs = [
  'sh',
  'bash',
  'cat',
  'tr',
  'grep',
  'id',
  'chown',
  'chmod',
  'sleep',
  'ls',
  'env',
  'mkdir',
  'rm',
  'head',
  'touch',
  'tar',
  'git',
  'sed',
  'seq',
  'test',
  'tail',
  'perl',
]

/** A service that tells its name to whoever connects to port 5432; without modules, of which the image has none. */
const server = `#!/bin/sh
exec perl -e 'socket(S, 2, 1, 6); bind(S, pack("S n a4 x8", 2, 5432, "\\0\\0\\0\\0")) or die; listen(S, 5);
while (accept(C, S)) { syswrite(C, "$ENV{NAME}\\n"); close(C) }'
`

/** A root file system of a few of this machine's programs with the libraries that they need, as a tar. */
const baseImage = (root: string): Buffer => {
  const image = join(root, 'image')
  for (const folder of ['usr/bin', 'usr/lib', 'usr/lib64', 'usr/sbin', 'etc', 'tmp', 'root'])
    mkdirSync(join(image, folder), { recursive: true })
  for (const folder of ['bin', 'lib', 'lib64', 'sbin']) symlinkSync(`usr/${folder}`, join(image, folder))
  const copy = (path: string): void => {
    const target = join(image, realpathSync(dirname(path)), basename(path))
    mkdirSync(dirname(target), { recursive: true })
    if (!existsSync(target)) copyFileSync(realpathSync(path), target)
  }
  for (const program of programs) {
    const path = ['/usr/bin', '/bin'].map((folder) => join(folder, program)).find((one) => existsSync(one))
    if (path === undefined) throw new Error(`this machine has no ${program} for the image`)
    copy(path)
    for (const [library] of execFileSync('ldd', [path], { encoding: 'utf8' }).matchAll(/\/\S+/g)) copy(library)
  }
  writeFileSync(join(image, 'etc/passwd'), 'root:x:0:0:root:/root:/bin/sh\napp:x:1234:1234::/tmp:/bin/sh\n')
  writeFileSync(join(image, 'etc/group'), 'root:x:0:\napp:x:1234:\n')
  writeFileSync(join(image, 'usr/bin/serve'), server, { mode: 0o755 })
  writeFileSync(join(image, 'usr/bin/fails'), '#!/bin/sh\necho out of order\nexit 3\n', { mode: 0o755 })
  return execFileSync('tar', ['-C', image, '-cf', '-', '.'], { maxBuffer: 256 * 1024 * 1024 })
}

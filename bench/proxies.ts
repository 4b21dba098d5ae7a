import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { connect, createServer } from 'node:net'
import { availableParallelism, homedir, loadavg, tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { edgeLaunch } from '../src/edge/launch.ts'
import { makeCertificate } from '../src/edge/tls/testing.ts'

/**
 * The edge beside other proxies of this machine: one core for the proxy, one for the upstream (nginx, two ports), the rest for wrk; kept
 * connections and fresh ones, TLS; a bare pipe over node:net beside them, as the limit of what Node.js can do. In turns, so that what else
 * the machine does meets all of them; ratios are of rounds that followed each other. Then five minutes of load on the edge alone, for its
 * memory. About 14 minutes; ROUND_SECONDS (1), ROUNDS (9) and MEMORY_SECONDS (300) say otherwise. The current Caddy is the `caddy` of
 * CADDY_CURRENT (`go install github.com/caddyserver/caddy/v2/cmd/caddy@latest`) or of ~/go/bin.
 */
const host = 'shop.localhost'
/** Each connection asks again and again; `fresh` ones ask once. */
const sizes = { '1 KB': '/1k', '64 KB': '/64k', '100 KB': '/100k' } as const
type Case = {
  readonly size: keyof typeof sizes
  readonly connections: number
  readonly fresh?: true
  readonly secure?: true
}
const cases: readonly Case[] = [
  { size: '1 KB', connections: 64 },
  { size: '1 KB', connections: 1_000 },
  { size: '1 KB', connections: 64, fresh: true },
  { size: '1 KB', connections: 1_000, fresh: true },
  { size: '100 KB', connections: 64 },
  { size: '100 KB', connections: 1_000 },
  { size: '100 KB', connections: 64, fresh: true },
  { size: '100 KB', connections: 1_000, fresh: true },
  { size: '64 KB', connections: 64 },
  { size: '1 KB', connections: 64, secure: true },
]
const nameOf = ({ size, connections, fresh, secure }: Case): string =>
  `${size}, ${connections} ${fresh ? 'fresh' : 'kept'}${secure ? ', TLS' : ''}`
const roundSeconds = Number(process.env.ROUND_SECONDS ?? 1)
const rounds = Number(process.env.ROUNDS ?? 9)
const memorySeconds = Number(process.env.MEMORY_SECONDS ?? 300)
/** The pipe reads nothing, so that most cases would say the same of it. */
const isPiped = ({ size, connections, fresh, secure }: Case): boolean =>
  size !== '100 KB' && connections === 64 && !fresh && !secure
/** What the edge's throughput is to be of theirs, at least. */
const goals = (one: Case): Readonly<Record<string, number>> => {
  if (one.secure) return { haproxy: 0.8 }
  return one.size === '64 KB' ? { haproxy: 0.65 } : { nginx: 0.7, haproxy: 0.7, 'caddy now': 2.5, caddy: 2.5 }
}
const mostTail = 2
const currentCaddy = process.env.CADDY_CURRENT ?? join(homedir(), 'go/bin/caddy')
const cores = { upstream: '0', proxy: '1', load: availableParallelism() > 3 ? '2,3' : '0' }

type Ports = {
  readonly own: number
  readonly secure: number
  readonly certificates: string
  readonly upstreams: readonly [number, number]
}
type Proxy = {
  readonly name: string
  readonly needs: string | null
  start(directory: string, ports: Ports): { command: string; args: readonly string[]; env?: NodeJS.ProcessEnv }
}

const nginxOf = (directory: string, http: string): string[] => {
  const file = join(directory, 'nginx.conf')
  const places = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map(
    (name) => `${name}_temp_path ${directory}/${name};`,
  )
  writeFileSync(
    file,
    `${process.getuid?.() === 0 ? 'user root; ' : ''}daemon off; worker_processes 1; pid ${directory}/nginx.pid; error_log ${directory}/error.log;
     events { worker_connections 4096; }
     http { ${places.join(' ')} keepalive_requests 100000000; sendfile on; ${http} }`,
  )
  return ['-p', directory, '-c', file]
}

const proxies: readonly Proxy[] = [
  {
    name: 'headway',
    needs: null,
    start: (directory, { own, secure, certificates, upstreams }) => {
      const flags = edgeLaunch({ home: '', sockets: '', state: '' }).args.slice(0, -1)
      const words = ['edge', directory, String(own), ...upstreams.map(String)]
      const env = { ...process.env, BENCH_CERTIFICATES: certificates, BENCH_TLS_PORT: String(secure) }
      return { command: process.execPath, args: [...flags, join(import.meta.dirname, 'edge.ts'), ...words], env }
    },
  },
  {
    name: 'bare pipe',
    needs: null,
    start: (directory, { own, upstreams }) => ({
      command: process.execPath,
      args: [join(import.meta.dirname, 'edge.ts'), 'pipe', directory, String(own), String(upstreams[0])],
    }),
  },
  {
    name: 'nginx',
    needs: 'nginx',
    start: (directory, { own, secure, certificates, upstreams }) => ({
      command: 'nginx',
      args: nginxOf(
        directory,
        `access_log ${directory}/access.log combined buffer=64k;
         upstream pool { ${upstreams.map((port) => `server 127.0.0.1:${port};`).join(' ')} keepalive 64; keepalive_requests 100000000; }
         ssl_certificate ${certificates}/bench.crt; ssl_certificate_key ${certificates}/bench.key;
         server { listen 127.0.0.1:${own}; listen 127.0.0.1:${secure} ssl;
           location / { proxy_pass http://pool; proxy_http_version 1.1; proxy_set_header Connection ""; proxy_set_header Host $host; } }`,
      ),
    }),
  },
  {
    name: 'haproxy',
    needs: 'haproxy',
    start: (directory, { own, secure, certificates, upstreams }) => {
      const file = join(directory, 'haproxy.cfg')
      const servers = upstreams.map((port, at) => `  server s${at} 127.0.0.1:${port}`).join('\n')
      writeFileSync(
        file,
        `global\n  maxconn 4096\n  nbthread 1\ndefaults\n  mode http\n  option forwardfor\n  http-reuse always\n  timeout connect 5s\n  timeout client 60s\n  timeout server 60s\nlisten bench\n  bind 127.0.0.1:${own}\n  bind 127.0.0.1:${secure} ssl crt ${certificates}/bench.pem\n${servers}\n`,
      )
      return { command: 'haproxy', args: ['-db', '-f', file] }
    },
  },
  { name: 'caddy', needs: 'caddy', start: (directory, ports) => caddyIn(directory, ports, 'caddy') },
  { name: 'caddy now', needs: currentCaddy, start: (directory, ports) => caddyIn(directory, ports, currentCaddy) },
]

const caddyIn = (directory: string, { own, secure, certificates, upstreams }: Ports, command: string) => {
  const file = join(directory, 'Caddyfile')
  const to = `bind 127.0.0.1\n  reverse_proxy ${upstreams.map((port) => `127.0.0.1:${port}`).join(' ')}`
  const tls = `tls ${certificates}/bench.crt ${certificates}/bench.key`
  writeFileSync(
    file,
    `{\n  admin off\n  auto_https off\n  default_sni ${host}\n}\nhttp://:${own} {\n  ${to}\n}\nhttps://:${secure} {\n  ${tls}\n  ${to}\n}\n`,
  )
  const home = { HOME: directory, XDG_CONFIG_HOME: directory, XDG_DATA_HOME: directory }
  const env = { ...process.env, ...home, GOMAXPROCS: '1' }
  return { command, args: ['run', '--adapter', 'caddyfile', '--config', file], env }
}

type Running = {
  readonly name: string
  readonly port: number
  readonly securePort: number
  readonly child: ChildProcess
}
type Round = {
  readonly perSecond: number
  readonly p50Ms: number
  readonly p99Ms: number
  readonly cpuPer10k: number
  readonly errors: string
}

export const measureProxies = async (say: (name: string, figure: string) => void): Promise<void> => {
  for (const tool of ['wrk', 'nginx', 'taskset'])
    if (!isInstalled(tool))
      return say(`edge: ${tool} is missing`, `apt-get install ${tool === 'taskset' ? 'util-linux' : tool}`)
  const directory = mkdtempSync(join(tmpdir(), 'headway-bench-proxies-'))
  const running: Running[] = []
  try {
    const upstreams = [await freePort(), await freePort()] as const
    running.push(await startUpstream(directory, upstreams))
    const certificates = await certificatesIn(directory)
    const began = performance.now()
    say('edge: load average before', loadOf())
    for (const [program, why] of Object.entries(notMeasured)) say(`edge: ${program} is not measured`, why)
    for (const proxy of proxies) {
      if (proxy.needs && !isInstalled(proxy.needs))
        say(`edge: ${proxy.name} was not found`, `looked for ${proxy.needs}`)
      else running.push(await startProxy(proxy, directory, certificates, upstreams))
    }
    for (const one of cases)
      compare(
        running.slice(1).filter(({ name }) => name !== 'bare pipe' || isPiped(one)),
        one,
        say,
      )
    const edge = running.find(({ name }) => name === 'headway')
    if (edge) await holdMemory(edge, say)
    say('edge: load average after', `${loadOf()}; took ${((performance.now() - began) / 60_000).toFixed(1)} min`)
    for (const one of running.slice(1)) say(`edge: ${one.name}, memory after it, MB PSS`, pssOf(one.child).toFixed(0))
  } finally {
    for (const { child } of running) {
      const ended = new Promise((done) => child.once('exit', done))
      child.kill('SIGTERM')
      await Promise.race([ended, delay(5_000)])
    }
    rmSync(directory, { recursive: true, force: true })
  }
}

const notMeasured: Readonly<Record<string, string>> = {
  'kamal-proxy': 'Go proxies do not have it (https://proxy.golang.org refuses it: 403), and no package brings it',
  traefik: 'its module cannot be installed by go install (replace directives), nor built from the Go proxy',
}
const loadOf = (): string =>
  loadavg()
    .map((one) => one.toFixed(1))
    .join(', ')

const certificatesIn = async (directory: string): Promise<string> => {
  const place = join(directory, 'certificates')
  mkdirSync(place)
  const { cert, key } = await makeCertificate([host, '127.0.0.1']) // wrk names what it connects to
  for (const [name, text] of Object.entries({ 'bench.crt': cert, 'bench.key': key, 'bench.pem': `${cert}\n${key}` }))
    writeFileSync(join(place, name), text)
  return place
}

/** What the edge holds while it is under steady load: flat, or not. */
const holdMemory = async (edge: Running, say: (name: string, figure: string) => void): Promise<void> => {
  const [one] = cases
  if (!one || memorySeconds === 0) return
  const readings: number[] = []
  for (let part = 0; part < 10; part += 1) {
    load(edge, one, memorySeconds / 10)
    readings.push(pssOf(edge.child))
  }
  say(`edge: headway, MB PSS over ${memorySeconds} s of load`, readings.map((reading) => reading.toFixed(0)).join(', '))
}

const compare = (all: readonly Running[], one: Case, say: (name: string, figure: string) => void) => {
  const results = new Map<string, Round[]>(all.map(({ name }) => [name, []]))
  for (const proxy of all) if (/headway|pipe/.test(proxy.name)) load(proxy, one, 1) // what Node.js compiles meanwhile
  for (let round = 0; round < rounds; round += 1)
    for (const proxy of all) results.get(proxy.name)?.push(load(proxy, one, roundSeconds))
  const ours = results.get('headway') ?? []
  for (const [name, taken] of results) {
    const of = (pick: (round: Round) => number) => median(taken.map(pick))
    const ratio = median(taken.map((theirs, at) => (ours[at]?.perSecond ?? Number.NaN) / theirs.perSecond))
    const tail = median(taken.map((theirs, at) => (ours[at]?.p99Ms ?? Number.NaN) / theirs.p99Ms))
    const errors = taken.map((one) => one.errors).join('')
    const goal = goals(one)[name]
    const met = goal === undefined ? '' : ` (goal ${goal}: ${ratio >= goal ? 'met' : 'missed'})`
    const tailGoal = name === 'haproxy' ? ` (goal ${mostTail}: ${tail <= mostTail ? 'met' : 'missed'})` : ''
    say(
      `edge: ${nameOf(one)}, ${name}`,
      `${of((one) => one.perSecond).toFixed(0)} requests/s, p50 ${of((one) => one.p50Ms).toFixed(2)}, p99 ${of((one) => one.p99Ms).toFixed(2)} ms, CPU s per 10,000 ${of((one) => one.cpuPer10k).toFixed(2)}${name === 'headway' ? '' : `; headway/${name} ${ratio.toFixed(2)}${met}, p99 ${tail.toFixed(2)}${tailGoal}`}${errors}`,
    )
  }
}

const load = (
  { port, securePort, child }: Running,
  { size, connections, fresh, secure }: Case,
  seconds: number,
): Round => {
  const before = cpuSecondsOf(child)
  const { stdout } = spawnSync(
    'taskset',
    [
      '-c',
      cores.load,
      'wrk',
      '-t2',
      '--timeout',
      '10s',
      `-c${connections}`,
      `-d${seconds}s`,
      '--latency',
      '-H',
      `Host: ${host}`,
      ...(fresh ? ['-H', 'Connection: close'] : []),
      `${secure ? 'https' : 'http'}://127.0.0.1:${secure ? securePort : port}${sizes[size]}`,
    ],
    { encoding: 'utf8' },
  )
  const requests = Number(/(\d+) requests in/.exec(stdout)?.[1])
  return {
    perSecond: Number(/Requests\/sec:\s+([\d.]+)/.exec(stdout)?.[1]),
    p50Ms: milliseconds(/50%\s+(\S+)/.exec(stdout)?.[1] ?? ''),
    p99Ms: milliseconds(/99%\s+(\S+)/.exec(stdout)?.[1] ?? ''),
    cpuPer10k: ((cpuSecondsOf(child) - before) / requests) * 10_000,
    errors: [/Socket errors:.*/.exec(stdout)?.[0], /Non-2xx.*/.exec(stdout)?.[0]]
      .map((line) => (line ? `; ${line}` : ''))
      .join(''),
  }
}

const milliseconds = (text: string): number => {
  const value = Number.parseFloat(text)
  if (text.endsWith('us')) return value / 1000
  return text.endsWith('ms') ? value : value * 1000
}

const startUpstream = async (directory: string, ports: readonly [number, number]): Promise<Running> => {
  const own = join(directory, 'upstream')
  mkdirSync(own)
  for (const [name, size] of [
    ['1k', 1_000],
    ['64k', 64_000],
    ['100k', 100_000],
  ] as const)
    writeFileSync(join(own, name), 'x'.repeat(size))
  const http = `access_log off; open_file_cache max=10; tcp_nodelay on;
    server { ${ports.map((port) => `listen 127.0.0.1:${port};`).join(' ')} root ${own}; }`
  return launch('upstream', cores.upstream, ports[0], { command: 'nginx', args: nginxOf(own, http) })
}

const startProxy = async (
  proxy: Proxy,
  directory: string,
  certificates: string,
  upstreams: readonly [number, number],
): Promise<Running> => {
  const place = join(directory, proxy.name)
  mkdirSync(place)
  const [own, secure] = [await freePort(), await freePort()]
  const how = proxy.start(place, { own, secure, certificates, upstreams })
  return { ...(await launch(proxy.name, cores.proxy, own, how)), securePort: secure }
}

const launch = async (
  name: string,
  core: string,
  port: number,
  { command, args, env }: ReturnType<Proxy['start']>,
): Promise<Running> => {
  const child = spawn('taskset', ['-c', core, command, ...args], {
    stdio: ['ignore', 'ignore', 'pipe'],
    ...(env ? { env } : {}),
  })
  let said = ''
  child.stderr.on('data', (text: Buffer) => {
    said = `${said}${text}`.slice(-2_000)
  })
  for (let tries = 0; tries < 200; tries += 1) {
    if (await accepts(port)) return { name, port, securePort: 0, child }
    if (child.exitCode !== null) throw new Error(`${name} ended: ${said}`)
    await delay(50)
  }
  child.kill('SIGKILL')
  throw new Error(`${name} does not answer: ${said}`)
}

const accepts = (port: number): Promise<boolean> =>
  new Promise((done) => {
    const socket = connect({ port, host: '127.0.0.1' })
    socket.once('connect', () => {
      socket.destroy()
      done(true)
    })
    socket.once('error', () => done(false))
  })

const freePort = (): Promise<number> =>
  new Promise((done) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const address = server.address()
      server.close(() => done(typeof address === 'object' ? (address?.port ?? 0) : 0))
    })
  })

const isInstalled = (tool: string): boolean => spawnSync('sh', ['-c', `command -v ${tool}`]).status === 0
const median = (values: readonly number[]): number =>
  values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN

/** taskset becomes the proxy; nginx has its worker as a child. */
const processesOf = (child: ChildProcess): number[] => {
  const parents = readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
  return parents.filter((pid) => pid === child.pid || statOf(pid)[1] === String(child.pid))
}
const statOf = (pid: number): string[] => {
  try {
    return readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? []
  } catch {
    return []
  }
}
const cpuSecondsOf = (child: ChildProcess): number =>
  processesOf(child).reduce((sum, pid) => sum + (Number(statOf(pid)[11]) + Number(statOf(pid)[12])) / 100, 0)
const pssOf = (child: ChildProcess): number =>
  processesOf(child).reduce((sum, pid) => {
    const rollup = readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8')
    return sum + Number(/^Pss:\s+(\d+)/m.exec(rollup)?.[1]) / 1000
  }, 0)

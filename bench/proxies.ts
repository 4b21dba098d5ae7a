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
 * memory. About 16 minutes; ROUND_SECONDS (1), ROUNDS (9) and MEMORY_SECONDS (300) say otherwise. The current Caddy is the `caddy` of
 * CADDY_CURRENT (`go install github.com/caddyserver/caddy/v2/cmd/caddy@latest`) or of ~/go/bin; KAMAL_PROXY and TRAEFIK name binaries of
 * those two. It ends with a table of each goal against its figure.
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
/** What the edge's throughput is to be of theirs, at least. */
const goals = (one: Case): Readonly<Record<string, number>> => {
  if (one.secure) return { haproxy: 0.8 }
  return one.size === '64 KB' ? { haproxy: 0.65 } : { nginx: 0.7, haproxy: 0.7, 'caddy now': 2.5, caddy: 2.5 }
}
const mostTail = 2
/** After the first tenth of the load, what the edge holds may still grow by so much of it. */
const mostGrowth = 0.1
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
  /** Which cases it is measured in; all where nothing is said. */
  readonly isIn?: (one: Case) => boolean
  /** What is done once it answers. */
  readonly configure?: (directory: string, ports: Ports) => void
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
    isIn: isPiped,
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
  {
    name: 'kamal-proxy',
    needs: process.env.KAMAL_PROXY ?? 'kamal-proxy',
    isIn: isBeside,
    start: (directory, { own, secure }) => ({
      command: process.env.KAMAL_PROXY ?? 'kamal-proxy',
      args: ['run', '--http-port', String(own), '--https-port', String(secure)],
      env: kamalEnvironment(directory),
    }),
    configure: (directory, { upstreams }) => {
      const targets = upstreams.flatMap((port) => ['--target', `127.0.0.1:${port}`])
      const { status, stderr } = spawnSync(
        process.env.KAMAL_PROXY ?? 'kamal-proxy',
        ['deploy', 'bench', ...targets, '--host', host, '--health-check-path', '/1k'],
        { env: kamalEnvironment(directory), encoding: 'utf8' },
      )
      if (status !== 0) throw new Error(`kamal-proxy takes no target: ${stderr}`)
    },
  },
  {
    name: 'traefik',
    needs: process.env.TRAEFIK ?? 'traefik',
    isIn: isBeside,
    start: (directory, { own, upstreams }) => {
      const file = join(directory, 'routes.json')
      const servers = upstreams.map((port) => ({ url: `http://127.0.0.1:${port}` }))
      const router = { rule: `Host(\`${host}\`)`, service: 'bench' }
      writeFileSync(
        file,
        JSON.stringify({ http: { routers: { bench: router }, services: { bench: { loadBalancer: { servers } } } } }),
      )
      const args = [`--entryPoints.web.address=127.0.0.1:${own}`, `--providers.file.filename=${file}`]
      const quiet = ['--global.checkNewVersion=false', '--global.sendAnonymousUsage=false', '--log.level=ERROR']
      const env = { ...process.env, HOME: directory, GOMAXPROCS: '1' }
      return { command: process.env.TRAEFIK ?? 'traefik', args: [...args, ...quiet], env }
    },
  },
]

/** The pipe reads nothing, so that most cases would say the same of it. */
function isPiped({ size, connections, fresh, secure }: Case): boolean {
  return size !== '64 KB' && connections === 64 && !fresh && !secure
}

/** Those for which there is no goal are measured where it says most, or all of it would take too long. */
function isBeside({ connections, secure }: Case): boolean {
  return connections === 64 && !secure
}

function kamalEnvironment(directory: string): NodeJS.ProcessEnv {
  return { ...process.env, HOME: directory, XDG_RUNTIME_DIR: directory, GOMAXPROCS: '1' }
}

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
  readonly isIn: (one: Case) => boolean
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
    for (const proxy of proxies) {
      if (proxy.needs && !isInstalled(proxy.needs))
        say(`edge: ${proxy.name} was not found`, `looked for ${proxy.needs}`)
      else running.push(await startProxy(proxy, directory, certificates, upstreams))
    }
    const outcomes: Outcome[] = []
    for (const one of cases) {
      const there = running.slice(1).filter(({ isIn }) => isIn(one))
      outcomes.push(...compare(there, one, say))
    }
    const edge = running.find(({ name }) => name === 'headway')
    if (edge) outcomes.push(...(await holdMemory(edge, say)))
    say('edge: load average after', `${loadOf()}; took ${((performance.now() - began) / 60_000).toFixed(1)} min`)
    for (const one of running.slice(1)) say(`edge: ${one.name}, memory after it, MB PSS`, pssOf(one.child).toFixed(0))
    tell(outcomes)
  } finally {
    for (const { child } of running) {
      const ended = new Promise((done) => child.once('exit', done))
      child.kill('SIGTERM')
      await Promise.race([ended, delay(5_000)])
    }
    rmSync(directory, { recursive: true, force: true })
  }
}

type Outcome = { readonly what: string; readonly goal: string; readonly figure: string; readonly isMet: boolean }

/** Each goal of the matrix against what was measured. */
const tell = (outcomes: readonly Outcome[]): void => {
  const widest = Math.max(...outcomes.map(({ what }) => what.length))
  console.log(`\n${'goal'.padEnd(widest)}  wanted      seen   `)
  for (const { what, goal, figure, isMet } of outcomes)
    console.log(`${what.padEnd(widest)}  ${goal.padEnd(10)}  ${figure.padEnd(6)} ${isMet ? 'met' : 'MISSED'}`)
  console.log(`${outcomes.filter(({ isMet }) => isMet).length} of ${outcomes.length} goals are met`)
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
const holdMemory = async (edge: Running, say: (name: string, figure: string) => void): Promise<Outcome[]> => {
  const [one] = cases
  if (!one || memorySeconds === 0) return []
  const readings: number[] = []
  for (let part = 0; part < 10; part += 1) {
    load(edge, one, memorySeconds / 10)
    readings.push(pssOf(edge.child))
  }
  say(`edge: headway, MB PSS over ${memorySeconds} s of load`, readings.map((reading) => reading.toFixed(0)).join(', '))
  const [first = Number.NaN, ...later] = readings
  const growth = median(later.slice(-3)) / first - 1
  const what = `memory over ${memorySeconds} s of load, growth after the first tenth`
  const figure = `${(growth * 100).toFixed(0)} %`
  return [{ what, goal: `<= ${mostGrowth * 100} %`, figure, isMet: growth <= mostGrowth }]
}

const compare = (all: readonly Running[], one: Case, say: (name: string, figure: string) => void): Outcome[] => {
  const results = new Map<string, Round[]>(all.map(({ name }) => [name, []]))
  for (const proxy of all) if (/headway|pipe/.test(proxy.name)) load(proxy, one, 1) // what Node.js compiles meanwhile
  for (let round = 0; round < rounds; round += 1)
    for (const proxy of all) results.get(proxy.name)?.push(load(proxy, one, roundSeconds))
  const ours = results.get('headway') ?? []
  const outcomes: Outcome[] = []
  for (const [name, taken] of results) {
    const of = (pick: (round: Round) => number) => median(taken.map(pick))
    const paired = (pick: (round: Round) => number) =>
      median(taken.map((theirs, at) => pick(ours[at] ?? theirs) / pick(theirs)))
    const [ratio, tail, cpu] = [paired(rateOf), paired(tailOf), paired(cpuOf)]
    const beside = `; headway/${name} ${ratio.toFixed(2)}, p99 ${tail.toFixed(2)}, CPU ${cpu.toFixed(2)}`
    say(
      `edge: ${nameOf(one)}, ${name}`,
      `${of(rateOf).toFixed(0)} requests/s, p50 ${of(({ p50Ms }) => p50Ms).toFixed(2)}, p99 ${of(tailOf).toFixed(2)} ms, CPU s per 10,000 ${of(cpuOf).toFixed(2)}${name === 'headway' ? '' : beside}${taken.map(({ errors }) => errors).join('')}`,
    )
    const what = `${nameOf(one)}, beside ${name}`
    const goal = goals(one)[name]
    if (goal !== undefined) outcomes.push({ what, goal: `>= ${goal}`, figure: ratio.toFixed(2), isMet: ratio >= goal })
    if (name === 'haproxy')
      outcomes.push({
        what: `${what}, p99`,
        goal: `<= ${mostTail}`,
        figure: tail.toFixed(2),
        isMet: tail <= mostTail,
      })
  }
  return outcomes
}
const rateOf = ({ perSecond }: Round): number => perSecond
const tailOf = ({ p99Ms }: Round): number => p99Ms
const cpuOf = ({ cpuPer10k }: Round): number => cpuPer10k

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
  const ports = { own, secure, certificates, upstreams }
  const running = await launch(proxy.name, cores.proxy, own, proxy.start(place, ports))
  proxy.configure?.(place, ports)
  return { ...running, ...(proxy.isIn ? { isIn: proxy.isIn } : {}), securePort: secure }
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
    if (await accepts(port)) return { name, port, securePort: 0, child, isIn: () => true }
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

import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, mkdirSync, mkdtempSync, openSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { connect, createServer, type Server } from 'node:net'
import { availableParallelism, homedir, loadavg, tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { edgeLaunch, edgeStdio } from '../src/edge/launch.ts'
import { makeCertificate } from '../src/edge/tls/testing.ts'

/**
 * The edge beside other proxies of this machine: one core for the proxy, one for the upstream (nginx, two ports), the rest for wrk; kept
 * connections and fresh ones, TLS; a bare pipe over node:net beside them, as the limit of what Node.js can do. In turns, so that what else
 * the machine does meets all of them; ratios are of rounds that followed each other. Then five minutes of load on the edge alone, for its
 * memory. About 20 minutes; ROUND_SECONDS (1; 3 where 1,000 connections are kept, or most of a round is their beginning), ROUNDS (9) and
 * MEMORY_SECONDS (300) say otherwise. CASES and PROXIES are patterns of those to be measured (`CASES='64 kept, TLS' PROXIES=haproxy`);
 * the edge itself always is. BEFORE names another checkout, whose edge is measured beside this one's. The current Caddy is the `caddy` of
 * CADDY_CURRENT (`go install github.com/caddyserver/caddy/v2/cmd/caddy@latest`) or of ~/go/bin; KAMAL_PROXY and TRAEFIK name binaries of
 * those two. "haproxy, logging" is HAProxy with the edge's duties, a line of log and an id for each request; the goals are against the one
 * without. It ends with a table of each goal against its figure.
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
const allCases: readonly Case[] = [
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
const isNamedIn = (pattern: string | undefined, name: string): boolean => new RegExp(pattern ?? '').test(name)
const cases = allCases.filter((one) => isNamedIn(process.env.CASES, nameOf(one)))
const roundSeconds = ({ connections, fresh }: Case): number =>
  Number(process.env.ROUND_SECONDS ?? (connections > 100 && !fresh ? 3 : 1))
const rounds = Number(process.env.ROUNDS ?? 9)
const warmRequests = 20_000
const mostWarmSeconds = 20
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
  start(directory: string, ports: Ports): Launch
}
type Launch = {
  readonly command: string
  readonly args: readonly string[]
  readonly env?: NodeJS.ProcessEnv
  /** It is given its listening socket, as an edge is by its agent. */
  readonly inherits?: boolean
  /** The file that it writes its log to, by its standard output. */
  readonly log?: string
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
    start: (directory, ports) => edgeIn(directory, ports, import.meta.dirname),
  },
  ...(process.env.BEFORE === undefined ? [] : [edgeBefore(process.env.BEFORE)]),
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
    start: (directory, ports) => haproxyIn(directory, ports),
  },
  {
    name: 'haproxy, logging',
    needs: 'haproxy',
    isIn: ({ connections }) => connections === 64,
    start: (directory, ports) => ({ ...haproxyIn(directory, ports, duties), log: join(directory, 'access.log') }),
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
      const file = join(directory, 'routes.yaml') // whose superset of JSON it reads; a name that ends in json it refuses
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

/** Of another checkout, to see what a change did. */
function edgeBefore(checkout: string): Proxy {
  return {
    name: 'headway before',
    needs: null,
    start: (directory, ports) => edgeIn(directory, ports, join(checkout, 'bench')),
  }
}

function edgeIn(directory: string, { own, secure, certificates, upstreams }: Ports, bench: string) {
  const launch = edgeLaunch({ home: '', sockets: '', state: '' })
  const words = ['edge', directory, String(own), ...upstreams.map(String)]
  const tls = { BENCH_CERTIFICATES: certificates, BENCH_TLS_PORT: String(secure) }
  const args = [...launch.args.slice(0, -1), join(bench, 'edge.ts'), ...words]
  const inherits = readFileSync(join(bench, 'edge.ts'), 'utf8').includes('HEADWAY_EDGE_FD') // an older one opens its own
  const env = { ...process.env, ...(inherits ? launch.env : {}), ...tls }
  return { command: process.execPath, args, env, inherits }
}

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

/** What the edge does of each request beside passing it on: a line of the access log, written to a file, and an id of its own. */
const duties = {
  global: ['log stdout len 4096 format raw local0'],
  defaults: ['log global', 'option httplog'],
  listen: [
    'unique-id-format %[uuid()]',
    'unique-id-header X-Request-Id',
    'http-response set-header X-Request-Id %[unique-id]',
  ],
}
const noDuties: typeof duties = { global: [], defaults: [], listen: [] }

function haproxyIn(directory: string, { own, secure, certificates, upstreams }: Ports, more = noDuties): Launch {
  const file = join(directory, 'haproxy.cfg')
  const servers = upstreams.map((port, at) => `server s${at} 127.0.0.1:${port}`)
  const times = ['timeout connect 5s', 'timeout client 60s', 'timeout server 60s']
  const at = [`bind 127.0.0.1:${own}`, `bind 127.0.0.1:${secure} ssl crt ${certificates}/bench.pem`]
  const sections = {
    global: ['maxconn 4096', 'nbthread 1', ...more.global],
    defaults: ['mode http', 'option forwardfor', 'http-reuse always', ...times, ...more.defaults],
    'listen bench': [...at, ...more.listen, ...servers],
  }
  const lines = Object.entries(sections).flatMap(([name, said]) => [name, ...said.map((line) => `  ${line}`)])
  writeFileSync(file, `${lines.join('\n')}\n`)
  return { command: 'haproxy', args: ['-db', '-f', file] }
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
  readonly requests: number
  /** Answers that are not 2xx. */
  readonly refused: number
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
      if (!proxy.name.startsWith('headway') && !isNamedIn(process.env.PROXIES, proxy.name)) continue
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
    const growth = edge && memorySeconds > 0 ? holdMemory(edge, say) : null
    say('edge: load average after', `${loadOf()}; took ${((performance.now() - began) / 60_000).toFixed(1)} min`)
    for (const one of running.slice(1)) say(`edge: ${one.name}, memory after it, MB PSS`, pssOf(one.child).toFixed(0))
    tell(outcomes, growth)
  } finally {
    for (const { child } of running) {
      const ended = new Promise((done) => child.once('exit', done))
      child.kill('SIGTERM')
      await Promise.race([ended, delay(5_000)])
    }
    rmSync(directory, { recursive: true, force: true })
  }
}

/** What is wanted of a figure: so much at least, or at most. */
type Goal = { readonly least: number } | { readonly most: number }
type Outcome = { readonly row: string; readonly column: string; readonly goal: Goal; readonly figure: number }

const isMet = ({ goal, figure }: Outcome): boolean => ('least' in goal ? figure >= goal.least : figure <= goal.most)
const cellOf = (one: Outcome | undefined): string => {
  if (!one) return ''
  const wanted = 'least' in one.goal ? `below ${one.goal.least}` : `above ${one.goal.most}`
  const figure = Number.isNaN(one.figure) ? 'none' : one.figure.toFixed(2)
  return isMet(one) ? figure : `${figure}, ${wanted}`
}

/** Each goal against what was measured: a figure alone is one that meets it. */
const tell = (outcomes: readonly Outcome[], growth: number | null): void => {
  const columns = [...new Set(outcomes.map(({ column }) => column))]
  const rows = [...new Set(outcomes.map(({ row }) => row))].map((row) => [
    row,
    ...columns.map((column) => cellOf(outcomes.find((one) => one.row === row && one.column === column))),
  ])
  const table = [['headway beside', ...columns], ...rows]
  const widths = ['', ...columns].map((_, at) => Math.max(...table.map((line) => line[at]?.length ?? 0)))
  const [head = '', ...lines] = table.map(
    (line) => `| ${line.map((cell, at) => cell.padEnd(widths[at] ?? 0)).join(' | ')} |`,
  )
  if (rows.length > 0)
    console.log(['', head, `|${widths.map((width) => '-'.repeat(width + 2)).join('|')}|`, ...lines, ''].join('\n'))
  const met = [...outcomes.map(isMet), ...(growth === null ? [] : [growth <= mostGrowth])]
  if (growth !== null)
    console.log(`after the first tenth, memory grew by ${(growth * 100).toFixed(0)} % (${mostGrowth * 100} % at most)`)
  if (met.length > 0) console.log(`${met.filter((one) => one).length} of ${met.length} goals are met`)
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

/** What the edge holds while it is under steady load, flat or not: how much it grew, in parts of what it was after the first tenth. */
const holdMemory = (edge: Running, say: (name: string, figure: string) => void): number => {
  const readings: number[] = []
  for (let part = 0; part < 10; part += 1) {
    load(edge, { size: '1 KB', connections: 64 }, memorySeconds / 10)
    readings.push(pssOf(edge.child))
  }
  say(`edge: headway, MB PSS over ${memorySeconds} s of load`, readings.map((reading) => reading.toFixed(0)).join(', '))
  const [first = Number.NaN, ...later] = readings
  return median(later.slice(-3)) / first - 1
}

const compare = (all: readonly Running[], one: Case, say: (name: string, figure: string) => void): Outcome[] => {
  const results = new Map<string, Round[]>(all.map(({ name }) => [name, []]))
  for (const proxy of all) if (/headway|pipe/.test(proxy.name)) warm(proxy, one)
  for (let round = 0; round < rounds; round += 1)
    for (const proxy of all) results.get(proxy.name)?.push(load(proxy, one, roundSeconds(one)))
  const ours = results.get('headway') ?? []
  const outcomes: Outcome[] = []
  const row = nameOf(one)
  for (const [name, taken] of results) {
    const paired = (pick: (round: Round) => number): number =>
      refusedOf([...ours, ...taken]) > 0
        ? Number.NaN
        : median(taken.map((theirs, at) => pick(ours[at] ?? theirs) / pick(theirs)))
    const [ratio, tail, cpu] = [paired(rateOf), paired(tailOf), paired(cpuOf)]
    const beside = `; headway/${name} ${ratio.toFixed(2)}, p99 ${tail.toFixed(2)}, CPU ${cpu.toFixed(2)}`
    say(`edge: ${row}, ${name}`, `${figuresOf(taken)}${name === 'headway' || Number.isNaN(ratio) ? '' : beside}`)
    const least = goals(one)[name]
    if (least !== undefined) outcomes.push({ row, column: name, goal: { least }, figure: ratio })
    if (name === 'haproxy') outcomes.push({ row, column: 'haproxy, p99', goal: { most: mostTail }, figure: tail })
  }
  return outcomes
}

/**
 * Until Node.js has compiled what it will, so by requests: where others are at work too, a second is too short. What is not compiled yet
 * is slower, and of what each fresh connection leaves a quarter outlives the collections until then, and is copied by each.
 */
const warm = (proxy: Running, one: Case): void => {
  for (let served = 0, seconds = 0; served < warmRequests && seconds < mostWarmSeconds; seconds += 1)
    served += load(proxy, one, 1).requests || 0
}

/** What else is answered than what was asked for says nothing about how fast that is. */
const figuresOf = (taken: readonly Round[]): string => {
  const of = (pick: (round: Round) => number): string => median(taken.map(pick)).toFixed(pick === rateOf ? 0 : 2)
  const refused = refusedOf(taken)
  if (refused > 0)
    return `no figure: ${refused} of ${taken.reduce((sum, { requests }) => sum + requests, 0)} answers were not 2xx`
  const errors = taken.map((round) => round.errors).join('')
  return `${of(rateOf)} requests/s, p50 ${of(middleOf)}, p99 ${of(tailOf)} ms, CPU s per 10,000 ${of(cpuOf)}${errors}`
}

const refusedOf = (taken: readonly Round[]): number => taken.reduce((sum, { refused }) => sum + refused, 0)
const rateOf = ({ perSecond }: Round): number => perSecond
const middleOf = ({ p50Ms }: Round): number => p50Ms
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
    p50Ms: milliseconds(/^\s+50%\s+(\S+)/m.exec(stdout)?.[1] ?? ''),
    p99Ms: milliseconds(/^\s+99%\s+(\S+)/m.exec(stdout)?.[1] ?? ''),
    cpuPer10k: ((cpuSecondsOf(child) - before) / requests) * 10_000,
    requests,
    refused: Number(/Non-2xx or 3xx responses: (\d+)/.exec(stdout)?.[1] ?? 0),
    errors: /Socket errors:.*/.exec(stdout)?.[0].replace(/^/, '; ') ?? '',
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
  { command, args, env, inherits, log }: Launch,
): Promise<Running> => {
  const listener = inherits ? await listening(port) : null
  const said = log === undefined ? null : openSync(log, 'a')
  const child = spawn('taskset', ['-c', core, command, ...args], {
    stdio: listener ? edgeStdio('pipe', descriptorOf(listener), null) : ['ignore', said ?? 'ignore', 'pipe'],
    ...(env ? { env } : {}),
  })
  listener?.close()
  if (said !== null) closeSync(said)
  let complaint = ''
  child.stdout?.resume()
  child.stderr?.on('data', (text: Buffer) => {
    complaint = `${complaint}${text}`.slice(-2_000)
  })
  for (let tries = 0; tries < 200; tries += 1) {
    if (await answers(port)) return { name, port, securePort: 0, child, isIn: () => true }
    if (child.exitCode !== null) throw new Error(`${name} ended: ${complaint}`)
    await delay(50)
  }
  child.kill('SIGKILL')
  throw new Error(`${name} does not answer: ${complaint}`)
}

/** Anything: that a socket listens which was opened for it says nothing. */
const answers = (port: number): Promise<boolean> =>
  new Promise((done) => {
    const socket = connect({ port, host: '127.0.0.1' })
    socket.write(`GET / HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`)
    socket.once('data', () => {
      socket.destroy()
      done(true)
    })
    socket.on('error', () => {})
    socket.once('close', () => done(false))
  })

const listening = async (port: number): Promise<Server> => {
  const server = createServer().listen(port, '127.0.0.1')
  await once(server, 'listening')
  return server
}

/** Node tells nobody the descriptor of a server; its handle has it. */
const descriptorOf = (server: Server): number => {
  const handle: unknown = Reflect.get(server, '_handle')
  const fd: unknown = typeof handle === 'object' && handle !== null ? Reflect.get(handle, 'fd') : undefined
  if (typeof fd !== 'number') throw new Error('this Node.js does not tell the descriptor of a listening socket')
  return fd
}

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

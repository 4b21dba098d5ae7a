import { execFileSync, spawn } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { connect } from 'node:tls'
import { answeringService, openTestAgent, specOf, testHome, until } from '../../src/agent/testing.ts'
import { noSettings } from '../../src/edge/settings.ts'
import { makeCertificate, writePair } from '../../src/edge/tls/testing.ts'

const names = ['shop.example.com', 'pay.example.com']

/**
 * Certificates from a real ACME server: Pebble (Let's Encrypt's own test server, built through Go's module proxy where PEBBLE names none),
 * which asks the edge by http-01 and gives certificates of two minutes. Seen: each name gets its own, an order whose process is killed is
 * made again, a certificate is renewed before it ends, and requests by TLS are answered all the while.
 */
export const acme = async (say: (holds: boolean, what: string) => void): Promise<void> => {
  const root = mkdtempSync(join(tmpdir(), 'headway-pebble-'))
  await using stack = new AsyncDisposableStack()
  stack.defer(() => rmSync(root, { recursive: true, force: true }))
  const program = process.env.PEBBLE ?? buildPebble(root)
  const [dnsPort, close] = await startNames()
  stack.defer(close)
  const home = testHome()
  const [pebblePort, managementPort] = [await freePort(), await freePort()]
  const own = await makeCertificate(['localhost'])
  writePair(root, 'pebble', own)
  const ca = join(root, 'pebble.crt')
  const directory = `https://localhost:${pebblePort}/dir`
  const certificates = join(root, 'empty')
  mkdirSync(certificates)
  const agent = await openTestAgent(home, {
    ...noSettings,
    tls: {
      ...{ host: '127.0.0.1', port: 0, publicPort: null, certificates: [certificates], redirect: true },
      acme: { directory, email: 'ops@example.com', names: [], renewAt: 0.7, ca },
    },
  })
  stack.defer(() => agent.end())
  const { edge } = await agent.runtime.health()
  const config = {
    pebble: {
      listenAddress: `127.0.0.1:${pebblePort}`,
      managementListenAddress: `127.0.0.1:${managementPort}`,
      ...{ certificate: ca, privateKey: join(root, 'pebble.key'), httpPort: edge.port, tlsPort: 1 },
      ...{ ocspResponderURL: '', externalAccountBindingRequired: false },
      profiles: { default: { description: 'two minutes', validityPeriod: 120 } },
    },
  }
  writeFileSync(join(root, 'config.json'), JSON.stringify(config))
  const pebble = spawn(program, ['-config', join(root, 'config.json'), '-dnsserver', `127.0.0.1:${dnsPort}`], {
    stdio: 'ignore',
    env: { ...process.env, PEBBLE_VA_NOSLEEP: '1', PEBBLE_WFE_NONCEREJECT: '20' },
  })
  stack.defer(() => void pebble.kill('SIGKILL'))
  await until(() => answersAt(pebblePort))

  const { runtime } = agent
  await runtime.start(specOf('one.1', { files: agent.files({ 'server.mjs': answeringService() }) }))
  await runtime.settled('one.1', 20_000)
  const serve = (generation: number, hosts: string[]) =>
    runtime.route({
      generation,
      routes: [{ hosts, service: 'shop', pools: [{ version: 'one', weight: 1, instances: ['one.1'] }] }],
    })
  const tls = edge.tls?.port ?? 0
  await serve(1, names.slice(0, 1))
  await until(async () => (await shown(tls, names[0] ?? '')) !== null, 60_000)
  const first = await shown(tls, names[0] ?? '')
  say(
    first?.names === `DNS:${names[0]}`,
    `a certificate for ${first?.names} of ${first?.issuer}, answered by http-01 through the edge`,
  )

  await serve(2, names)
  const killed = await killOrders(home.agent)
  await until(async () => (await shown(tls, names[1] ?? '')) !== null, 120_000)
  say(
    killed > 0,
    `the process that orders was killed ${killed} times; the second name has its certificate all the same`,
  )

  let failures = 0
  let asked = 0
  await until(async () => {
    const now = await shown(tls, names[0] ?? '')
    asked += 1
    if (now === null) failures += 1
    return now !== null && now.serial !== first?.serial
  }, 200_000)
  say(failures === 0, `renewed before its end: ${failures} of ${asked} handshakes failed meanwhile`)
  say(!readdirSync(join(home.agent, 'acme/challenges')).length, 'no challenge is left behind')
  if (failures > 0 || killed === 0) console.log(readFileSync(join(home.agent, 'acme.log'), 'utf8'))
}

/** Kills what orders as soon as it is seen, twice. */
const killOrders = async (state: string): Promise<number> => {
  let killed = 0
  const end = Date.now() + 20_000
  while (killed < 2 && Date.now() < end) {
    for (const name of readdirSync('/proc')) {
      if (!/^\d+$/.test(name)) continue
      const line = existsSync(`/proc/${name}/cmdline`) ? readOrEmpty(`/proc/${name}/cmdline`) : ''
      if (!line.includes('acme/main') || !line.includes(state)) continue
      await new Promise((done) => setTimeout(done, 300 + 700 * killed))
      try {
        process.kill(Number(name), 'SIGKILL')
        killed += 1
      } catch {
        // it was faster
      }
    }
    await new Promise((done) => setTimeout(done, 20))
  }
  return killed
}

const readOrEmpty = (file: string): string => {
  try {
    return readFileSync(file, 'latin1')
  } catch {
    return ''
  }
}

type Shown = { readonly names: string; readonly issuer: string; readonly serial: string }
const shown = (port: number, name: string): Promise<Shown | null> =>
  new Promise((done) => {
    const socket = connect({ host: '127.0.0.1', port, servername: name, rejectUnauthorized: false }, () => {
      const { subjectaltname = '', issuer, serialNumber } = socket.getPeerCertificate()
      done({ names: subjectaltname, issuer: String(issuer.CN), serial: serialNumber })
      socket.destroy()
    })
    socket.once('error', () => done(null))
  })

const buildPebble = (root: string): string => {
  const go = existsSync('/usr/local/go/bin/go') ? '/usr/local/go/bin/go' : 'go'
  const env = { ...process.env, GOBIN: root, GOPATH: join(root, 'go'), GOFLAGS: '-modcacherw' }
  execFileSync(go, ['install', 'github.com/letsencrypt/pebble/v2/cmd/pebble@latest'], { env, stdio: 'inherit' })
  return join(root, 'pebble')
}

/** Answers that every name is this machine: DNS over TCP, by which Pebble asks. */
const startNames = async (): Promise<[number, () => void]> => {
  const server = createServer((socket) => {
    socket.on('error', () => {})
    socket.on('data', (bytes) => {
      const answer = answerTo(bytes.subarray(2))
      const length = Buffer.alloc(2)
      length.writeUInt16BE(answer.length)
      socket.write(Buffer.concat([length, answer]))
    })
  })
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done))
  const address = server.address()
  return [typeof address === 'object' && address ? address.port : 0, () => server.close()]
}

const answerTo = (question: Buffer): Buffer => {
  let end = 12
  while ((question[end] ?? 0) !== 0) end += (question[end] ?? 0) + 1
  const asked = question.subarray(12, end + 5)
  const isAddress = asked.readUInt16BE(asked.length - 4) === 1
  const head = Buffer.from([question[0] ?? 0, question[1] ?? 0, 0x81, 0x80, 0, 1, 0, isAddress ? 1 : 0, 0, 0, 0, 0])
  const answer = Buffer.from([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 1, 0, 4, 127, 0, 0, 1])
  return Buffer.concat([head, asked, ...(isAddress ? [answer] : [])])
}

const freePort = (): Promise<number> =>
  new Promise((done) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const address = server.address()
      server.close(() => done(typeof address === 'object' && address ? address.port : 0))
    })
  })

const answersAt = (port: number): Promise<boolean> =>
  new Promise((done) => {
    const socket = connect({ host: '127.0.0.1', port, rejectUnauthorized: false }, () => {
      socket.destroy()
      done(true)
    })
    socket.once('error', () => done(false))
  })

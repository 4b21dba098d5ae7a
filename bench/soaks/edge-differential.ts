import { spawn, spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { hostileCases } from '../../src/edge/hostile.testing.ts'

type Say = (holds: boolean, what: string) => void
type Outcome = 'taken' | 'refused'

/**
 * The hostile requests through nginx and HAProxy as well: how many of those that the edge refuses they pass on to the instance as whole
 * requests, and the other way round. Nothing of it has to hold; the differences are explained in bench/RESULTS.md.
 */
export const compareRefusals = async (say: Say): Promise<void> => {
  let whole = 0
  const instance = createServer({ keepAliveTimeout: 60_000 }, (request, response) => {
    request.on('end', () => {
      whole += 1
      response.end()
    })
    request.on('error', () => {})
    request.resume()
  })
  instance.on('clientError', (_, socket) => socket.destroy())
  await new Promise<void>((done) => void instance.listen(0, '127.0.0.1', done))
  const address = instance.address()
  const to = typeof address === 'object' ? (address?.port ?? 0) : 0
  const directory = mkdtempSync(join(tmpdir(), 'headway-differential-'))
  try {
    for (const [name, start] of Object.entries(others)) {
      if (spawnSync('sh', ['-c', `command -v ${name}`]).status !== 0) {
        say(true, `${name} was not found`)
        continue
      }
      const port = to === 20_000 ? 20_001 : 20_000 + (to % 10_000)
      const place = join(directory, name)
      mkdirSync(place)
      const child = spawn(name, start(place, port, to), { stdio: 'ignore' })
      for (let tries = 0; tries < 200 && !(await accepts(port)); tries += 1) await delay(50)
      const lenient: string[] = []
      const stricter: string[] = []
      for (const one of hostileCases) {
        const before = whole
        await sayTo(port, one.bytes, one.ends === true)
        const outcome: Outcome = whole > before ? 'taken' : 'refused'
        const ours: Outcome = one.answer === 200 ? 'taken' : 'refused'
        if (outcome === 'taken' && ours === 'refused') lenient.push(one.name)
        if (outcome === 'refused' && ours === 'taken') stricter.push(one.name)
      }
      child.kill('SIGKILL')
      const same = hostileCases.length - lenient.length - stricter.length
      say(true, `${name} agrees on ${same} of ${hostileCases.length}`)
      console.log(`     passed on by ${name}, refused by the edge (${lenient.length}): ${lenient.join('; ')}`)
      console.log(`     refused by ${name}, passed on by the edge (${stricter.length}): ${stricter.join('; ')}`)
    }
  } finally {
    instance.close()
    instance.closeAllConnections()
    rmSync(directory, { recursive: true, force: true })
  }
}

const others: Readonly<Record<string, (place: string, port: number, to: number) => string[]>> = {
  nginx: (place, port, to) => {
    const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map(
      (one) => `${one}_temp_path ${place}/${one};`,
    )
    const file = join(place, 'nginx.conf')
    writeFileSync(
      file,
      `daemon off; master_process off; pid ${place}/pid; error_log ${place}/error.log; events {} http { ${temporary.join(' ')} access_log off;
       server { listen 127.0.0.1:${port}; location / { proxy_pass http://127.0.0.1:${to}; proxy_http_version 1.1; proxy_set_header Host $host; } } }`,
    )
    return ['-p', place, '-c', file]
  },
  haproxy: (place, port, to) => {
    const file = join(place, 'haproxy.cfg')
    const timeouts = ['connect', 'client', 'server'].map((one) => `  timeout ${one} 5s`).join('\n')
    writeFileSync(
      file,
      `defaults\n  mode http\n${timeouts}\nlisten l\n  bind 127.0.0.1:${port}\n  server a 127.0.0.1:${to}\n`,
    )
    return ['-db', '-f', file]
  },
}

/** Until it closes, or has been silent for a while after its answer. */
const sayTo = (port: number, bytes: string, ends: boolean): Promise<void> =>
  new Promise((done) => {
    const socket = connect({ port, host: '127.0.0.1' })
    socket.on('error', () => {})
    socket.on('data', () => socket.setTimeout(150))
    socket.on('close', () => done())
    socket.setTimeout(700, () => socket.destroy())
    if (ends) socket.end(bytes, 'latin1')
    else socket.write(bytes, 'latin1')
  })

const accepts = (port: number): Promise<boolean> =>
  new Promise((done) => {
    const socket = connect({ port, host: '127.0.0.1' })
    socket.once('connect', () => done(socket.destroy().destroyed))
    socket.once('error', () => done(false))
  })

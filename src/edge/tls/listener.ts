import type { Socket } from 'node:net'
import { createServer, type TLSSocket } from 'node:tls'
import type { Certificate, Certificates } from './certificates.ts'

export type Secured = { readonly socket: TLSSocket; readonly raw: Socket; readonly protocol: 'h2' | 'http/1.1' }
export type TlsListener = {
  /** Speaks TLS over an accepted connection; `secured` follows, or the connection is closed. */
  take(raw: Socket): void
  /** Keys of 48 bytes by which sessions are taken up again; the same in each process that answers on the port. */
  resumeWith(ticketKeys: Buffer): void
  /** The certificate for clients that name no host may be another one by now. */
  refresh(): void
  end(): void
}

/** TLS 1.2 suites that keep earlier connections secret when a key is lost; those of TLS 1.3 all do. */
const suites = [
  ...['ECDHE-ECDSA-AES128-GCM-SHA256', 'ECDHE-RSA-AES128-GCM-SHA256', 'ECDHE-ECDSA-AES256-GCM-SHA384'],
  ...['ECDHE-RSA-AES256-GCM-SHA384', 'ECDHE-ECDSA-CHACHA20-POLY1305', 'ECDHE-RSA-CHACHA20-POLY1305'],
  ...['TLS_AES_128_GCM_SHA256', 'TLS_AES_256_GCM_SHA384', 'TLS_CHACHA20_POLY1305_SHA256'],
].join(':')

/** TLS 1.2 and 1.3 over connections that somebody else accepted, with the certificate of the name that the client asks for. */
export const createTlsListener = (
  certificates: Certificates,
  { handshakeMs, secured }: { handshakeMs: number; secured: (one: Secured) => void },
): TlsListener => {
  /** By the far end, which tells open connections apart: Node leads from a raw connection to its TLS one in no documented way. */
  const shaking = new Map<string, Socket>()
  const keyOf = ({ remoteAddress, remotePort }: Socket): string => `${remoteAddress} ${remotePort}`

  const server = createServer({
    ALPNProtocols: ['h2', 'http/1.1'],
    minVersion: 'TLSv1.2',
    ciphers: suites,
    handshakeTimeout: handshakeMs,
    SNICallback: (name, answer) => {
      const found = certificates.find(name)
      if (found) answer(null, found.context)
      else answer(new Error(`no certificate for ${JSON.stringify(name.slice(0, 253))}`))
    },
  })
  let shown: Certificate | null = null
  let ticketKeys: Buffer | null = null
  const refresh = (): void => {
    const found = certificates.find(null)
    if (found === shown) return
    shown = found
    server.setSecureContext({
      ...found?.pem,
      minVersion: 'TLSv1.2',
      ciphers: suites,
      ...(ticketKeys ? { ticketKeys } : {}),
    })
  }
  refresh()
  server.on('tlsClientError', (_, socket) => socket.destroy())
  server.on('secureConnection', (socket) => {
    socket.on('error', () => {}) // its close follows
    const raw = shaking.get(keyOf(socket))
    shaking.delete(keyOf(socket))
    if (!raw) return void socket.destroy()
    socket.disableRenegotiation()
    secured({ socket, raw, protocol: socket.alpnProtocol === 'h2' ? 'h2' : 'http/1.1' })
  })
  return {
    take: (raw) => {
      const key = keyOf(raw)
      shaking.set(key, raw)
      raw.once('close', () => {
        if (shaking.get(key) === raw) shaking.delete(key)
      })
      server.emit('connection', raw)
    },
    resumeWith: (keys) => {
      ticketKeys = keys
      server.setTicketKeys(keys)
    },
    refresh,
    end: () => void server.close(),
  }
}

import type { Command } from 'commander'
import { systemClock } from '../clock.ts'
import type { EdgeSettings } from '../edge/settings.ts'
import { type Home, homeAt } from '../home.ts'
import { Problem } from '../problem.ts'
import type { GlobalOptions } from './client.ts'
import { edgeOptions, type GivenEdgeOptions } from './edge-options.ts'
import { printJson } from './output.ts'

type UpOptions = GivenEdgeOptions & {
  readonly port: string
  readonly edgePort: string
  readonly edgeTlsPort?: string
  readonly host?: string
  readonly edgeHost?: string
  readonly hostName?: readonly string[]
  readonly tlsCert?: string
  readonly tlsKey?: string
  readonly tls?: string
  readonly insecure?: boolean
  readonly isolation?: string
  readonly jobLimits?: string
  readonly environments?: string
}

/** Starting and stopping. */
export const serverCommands = (program: Command): void => {
  const up = program
    .command('up')
    .option('--port <number>', 'for API and Git; 0 picks a free one', '4600')
    .option('--edge-port <number>', 'for your services; 0 picks a free one', '4680')
    .option('--edge-tls-port <number>', 'for your services by TLS (HTTP/1.1 and HTTP/2)')
  edgeOptions(up)
    .option('--host <address>', 'listen here (default: loopback only)')
    .option('--edge-host <address>', 'let services be reached here (default: loopback only)')
    .option('--host-name <name...>', 'names by which it is called, besides localhost')
    .option('--tls <how>', 'self-signed: with a certificate of its own')
    .option('--tls-cert <file>', 'with this certificate (PEM)')
    .option('--tls-key <file>', 'and this key (PEM)')
    .option('--insecure', 'listen beyond loopback without TLS, because something in front encrypts')
    .option('--isolation <kind>', 'of pipeline jobs: bubblewrap, user or none (default: the best that works)')
    .option('--job-limits <limits>', 'of one job: memory=2GiB,processes=512,disk=10GiB,cpus=2')
    .option('--environments <names>', 'of a new home, in order of promotion (default: staging,production)')
    .description('start Headway here; Ctrl-C stops the control plane, services go on')
    .action(async (own: UpOptions, command: Command) => {
      const { home } = command.optsWithGlobals<GlobalOptions>()
      const { leaveOutUnused } = await import('../lean.ts')
      leaveOutUnused()
      const { up: start } = await import('../server.ts')
      await start({
        home: homeAt(home),
        port: portIn('--port', own.port),
        edgePort: portIn('--edge-port', own.edgePort),
        ...(own.host ? { host: own.host } : {}),
        ...(own.edgeHost ? { edgeHost: own.edgeHost } : {}),
        ...(await edgeSettingsIn(own)),
        ...(own.hostName ? { hostNames: own.hostName } : {}),
        tls: tlsIn(own),
        isInsecureAllowed: own.insecure === true,
        ...(own.isolation ? { isolation: own.isolation } : {}),
        ...(own.jobLimits ? { jobLimits: own.jobLimits } : {}),
        ...(own.environments === undefined ? {} : { firstEnvironments: own.environments }),
      })
      process.exit()
    })

  program
    .command('down')
    .option('--keep-services', 'stop only the control plane')
    .description('stop everything of this Headway: control plane, services, databases, edge')
    .action(async ({ keepServices }: { keepServices?: boolean }, command: Command) => {
      const options = command.optsWithGlobals<GlobalOptions>()
      const home = homeAt(options.home)
      const { stopControlPlane } = await import('../down.ts')
      const stoppedPid = await stopControlPlane(home)
      const services = keepServices ? 'kept' : (await stopServices(home)) ? 'stopped' : 'none ran'
      if (options.json) return printJson({ controlPlane: stoppedPid, services })
      console.log(
        stoppedPid === null ? 'the control plane was not running' : `the control plane (${stoppedPid}) has stopped`,
      )
      console.log(
        services === 'kept'
          ? 'services go on; headway up takes them up again'
          : services === 'stopped'
            ? 'services, databases and the edge have stopped; their data stays'
            : 'no services were running',
      )
    })
}

const portIn = (option: string, text: string): number => {
  const port = Number(text)
  if (Number.isInteger(port) && port >= 0 && port < 65_536 && text.trim() !== '') return port
  throw new Problem({
    kind: 'bad-port',
    status: 400,
    detail: `${option} is a port from 1 to 65535, or 0 for a free one, not ${JSON.stringify(text)}`,
  })
}

/** What is said of the edge; nothing where nothing is, and then it stays as it was the last time. */
const edgeSettingsIn = async (own: UpOptions): Promise<{ edgeSettings?: EdgeSettings }> => {
  const said = [
    own.edgeTlsPort,
    own.certificates,
    own.acme,
    own.acmeEmail,
    own.acmeName,
    own.acmeCa,
    own.trustedProxies,
    own.trustedHeader,
    own.proxyProtocol,
  ]
  if (said.every((one) => one === undefined)) return {}
  const { settingsFromOptions } = await import('../alone/options.ts')
  return { edgeSettings: settingsFromOptions({ ...own, host: own.edgeHost ?? '127.0.0.1' }) }
}

const tlsIn = (own: UpOptions) => {
  if (own.tlsCert && own.tlsKey) return { kind: 'files', cert: own.tlsCert, key: own.tlsKey } as const
  if (own.tlsCert || own.tlsKey)
    throw new Problem({
      kind: 'bad-tls',
      status: 400,
      detail: '--tls-cert and --tls-key go together',
      next: 'give both, or --tls self-signed',
    })
  if (own.tls === undefined) return { kind: 'none' } as const
  if (own.tls === 'self-signed') return { kind: 'self-signed' } as const
  throw new Problem({
    kind: 'bad-tls',
    status: 400,
    detail: `--tls takes self-signed, not ${JSON.stringify(own.tls)}`,
    next: 'or give --tls-cert and --tls-key',
  })
}

/** Ends the agent of this home with all that it runs; false when there is none. */
const stopServices = async (home: Home): Promise<boolean> => {
  const { agentSocket, isAnswering } = await import('../runtimes/process/agent.ts')
  if (!(await isAnswering(agentSocket(home)))) return false
  const { connectProcessRuntime } = await import('../runtimes/process/index.ts')
  const runtime = await connectProcessRuntime({ home, clock: systemClock, edgeHost: '127.0.0.1', edgePort: 0 })
  await runtime.shutdown('stop')
  return true
}

import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { getCACertificates } from 'node:tls'
import type { RunAs } from '../../processes/command.ts'
import { type Workspace, writeForJob } from './workspace.ts'

/**
 * Where the server has made its certificate itself, the job's programs are told to trust it, beside all that they trust anyway: Node.js by
 * a list of additions, git and curl by a whole one.
 */
export const trustVariables = (
  certificate: string | null,
  { files }: Workspace,
  user: RunAs | null,
  environment: NodeJS.ProcessEnv = process.env,
): Record<string, string> => {
  if (certificate === null) return {}
  const { NODE_EXTRA_CA_CERTS: also } = environment
  const [additions, all] = [join(files, 'server.pem'), join(files, 'trusted.pem')]
  writeForJob(additions, [certificate, ...(also ? [readFileSync(also, 'utf8')] : [])].join('\n'), user)
  writeForJob(all, [certificate, ...getCACertificates('default')].join('\n'), user)
  return { NODE_EXTRA_CA_CERTS: additions, GIT_SSL_CAINFO: all, CURL_CA_BUNDLE: all }
}

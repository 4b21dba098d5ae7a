import { isLoopback } from '../../api/host.ts'

/**
 * The address of this server by a name that the toolkit takes for GitHub's own: its clients refuse artifacts, and fall back to a cache
 * service that is no more, unless the host is github.com or ends in .ghe.com or .localhost (isGhes in their internal config.ts). Names
 * below `localhost` are this machine's (RFC 6761, 6.3).
 */
export const toolkitAddress = (serverUrl: string): string => {
  const url = new URL(serverUrl)
  if (/\.(ghe\.com|localhost)$/.test(url.hostname)) return url.origin
  url.hostname = isLoopback(url.hostname.replace(/^\[|\]$/g, '')) ? 'headway.localhost' : `${url.hostname}.localhost`
  return url.origin
}

/** What `variablesFor` gave for one address of the server, for another by which it is reached from elsewhere. */
export const readdressed = (
  variables: Readonly<Record<string, string>>,
  theirs: string,
  ours: string,
): Record<string, string> =>
  Object.fromEntries(
    Object.entries(variables).map(([name, value]) => {
      if (name === 'GITHUB_SERVER_URL') return [name, toolkitAddress(ours)]
      return [name, value.startsWith(theirs) ? `${ours}${value.slice(theirs.length)}` : value]
    }),
  )

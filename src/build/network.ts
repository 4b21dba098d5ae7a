/** How this machine reaches package registries: proxies, their authorities, mirrors. */
const names = [
  'HTTP_PROXY',
  'HTTPS_PROXY',
  'NO_PROXY',
  'http_proxy',
  'https_proxy',
  'no_proxy',
  'NODE_EXTRA_CA_CERTS',
  'SSL_CERT_FILE',
  'SSL_CERT_DIR',
  'CURL_CA_BUNDLE',
  'REQUESTS_CA_BUNDLE',
  'PIP_CERT',
  'PIP_INDEX_URL',
  'npm_config_registry',
  'GOPROXY',
  'GONOSUMDB',
  'GOFLAGS',
  'GOSUMDB',
]

/**
 * The network settings of Headway's own environment that jobs and packaging are given, as without them they would reach no
 * registry behind a company's proxy. Those with a user or a password in them are not for jobs and are left out.
 */
export const networkVariables = (environment: NodeJS.ProcessEnv = process.env): Record<string, string> =>
  Object.fromEntries(
    names.flatMap((name) => {
      const value = environment[name]
      return value === undefined || /\/\/[^/]*@/.test(value) ? [] : [[name, value]]
    }),
  )

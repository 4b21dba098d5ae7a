import type { Command } from 'commander'

/** What `headway up` and `headway edge` are told of the edge alike. */
export type GivenEdgeOptions = {
  readonly certificates?: readonly string[]
  readonly acme?: string
  readonly acmeEmail?: string
  readonly acmeName?: readonly string[]
  readonly acmeCa?: string
  readonly trustedProxies?: string
  readonly trustedHeader?: string
  readonly proxyProtocol?: boolean
}

export const edgeOptions = (command: Command): Command =>
  command
    .option(
      '--certificates <directory...>',
      'with the certificates in there: name.crt and name.key, or folders as Certbot makes',
    )
    .option(
      '--acme <url>',
      "order certificates for the services' host names from this ACME directory (Let's Encrypt and others)",
    )
    .option('--acme-email <address>', 'of whoever the certificate authority may write to')
    .option(
      '--acme-name <name...>',
      'order for these names (default: all host names of services but those of localhost)',
    )
    .option('--acme-ca <file>', 'trust this certificate (PEM) of a certificate authority of your own')
    .option('--trusted-proxies <list>', 'addresses and networks of proxies in front that are believed about who asks')
    .option('--trusted-header <name>', 'which header they set: x-forwarded-for (default) or forwarded')
    .option('--proxy-protocol', 'they begin each connection with a header of the PROXY protocol')

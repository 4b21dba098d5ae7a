import { Readable } from 'node:stream'
import type { ActionCall } from '../jobs/actions.ts'

/** What Git sends to a host that a job may read by a token. */
export const authorizationOf = (token: string): string =>
  `AUTHORIZATION: basic ${Buffer.from(`x-access-token:${token}`).toString('base64')}`

/**
 * The input `submodules` of `actions/checkout`: `true`, or `recursive` for those of submodules, too. They are fetched by the job's user, those of
 * this host with the token of the checkout, which stays in their configuration as it does in the repository's. Throws an Error that says what Git said.
 */
export const checkOutSubmodules = async (call: ActionCall, target: string, depth: number): Promise<void> => {
  const { inputs, origin, run } = call
  const wanted = (inputs.submodules ?? 'false').trim().toLowerCase()
  if (wanted === 'false' || wanted === '') return
  if (wanted !== 'true' && wanted !== 'recursive')
    throw new Error(`submodules: ${inputs.submodules} is neither true, false nor recursive`)
  const token = inputs.token || origin.token
  const host = new URL('/', origin.url).href
  const stays = inputs['persist-credentials'] === 'false' ? '' : 'stays'
  const argv = ['sh', '-e', '-c', script, 'checkout', host, stays, String(depth)] as const
  // By its input: what is in a command line, others can read.
  const input = Readable.from([token === '' ? '\n' : `${authorizationOf(token)}\n`])
  const end = await run(wanted === 'recursive' ? [...argv, '--recursive'] : argv, { cwd: target, input })
  if (end.outcome !== 'success')
    throw new Error(
      `the submodules could not be checked out: ${end.detail}; the job's own token opens its own repository only: for others of this host, put one that reads them into a secret and give it: token: \${{ secrets.NAME }}`,
    )
}

const script = `
host=$1
stays=$2
depth=$3
shift 3
read -r header || :
export GIT_TERMINAL_PROMPT=0 host header
if [ -n "$header" ]; then
  export GIT_CONFIG_COUNT=1 GIT_CONFIG_KEY_0="http.$host.extraheader" GIT_CONFIG_VALUE_0="$header"
fi
git submodule --quiet sync "$@"
if [ "$depth" = 0 ]; then
  git submodule --quiet update --init --force "$@"
else
  git submodule --quiet update --init --force "--depth=$depth" "$@"
fi
if [ -n "$header" ] && [ -n "$stays" ]; then
  git submodule --quiet foreach "$@" \
    'printf "[http \\"%s\\"]\\n\\textraheader = %s\\n" "$host" "$header" >> "$(git rev-parse --git-dir)/config"'
fi
`

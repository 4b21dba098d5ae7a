import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { effectSync } from '../effect.ts'
import { writeDurably } from '../processes/files.ts'

/**
 * The hooks of all repositories. receive-pack was started with two more descriptors, which its hooks inherit: 3 leads to the
 * control plane, 4 back. When the control plane dies, both are closed and the hook ends by itself.
 */
const tellUpdates = (hook: string) => `trap '' PIPE
{
  printf '${hook}\\n'
  printf 'quarantine %s\\n' "\${GIT_QUARANTINE_PATH-}"
  number=0
  while [ "$number" -lt "\${GIT_PUSH_OPTION_COUNT:-0}" ] && [ "$number" -lt 64 ]; do
    eval "option=\\\${GIT_PUSH_OPTION_$number}"
    printf 'option %s\\n' "$(printf '%s' "$option" | tr '\\n\\r' '  ')"
    number=$((number + 1))
  done
  cat
  printf 'end\\n'
} >&3`

const preReceive = `#!/bin/sh
${tellUpdates('pre-receive')}
while IFS= read -r line <&4; do
  case "$line" in
    +*) printf '%s\\n' "\${line#+}" ;;
    accept) exit 0 ;;
    refuse) exit 1 ;;
  esac
done
echo 'Headway has ended before it could accept this push: nothing was changed, push again once it is up'
exit 1
`

const postReceive = `#!/bin/sh
${tellUpdates('post-receive')}
while IFS= read -r line <&4; do
  case "$line" in
    +*) printf '%s\\n' "\${line#+}" ;;
    end) exit 0 ;;
  esac
done
echo 'Headway has ended meanwhile: the push is kept and goes on once it is up (headway status)'
`

/** Writes the hooks into a directory of their own and returns it. */
export const writeHooks = (root: string): string => {
  const directory = join(root, '.hooks')
  effectSync('code.write-hooks', () => {
    mkdirSync(directory, { recursive: true, mode: 0o700 })
    writeDurably(join(directory, 'pre-receive'), preReceive, 0o700)
    writeDurably(join(directory, 'post-receive'), postReceive, 0o700)
  })
  return directory
}

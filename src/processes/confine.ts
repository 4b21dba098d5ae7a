import { existsSync } from 'node:fs'
import { isRoot } from '../home.ts'
import type { RunAs } from './command.ts'

const setpriv = ['/usr/bin/setpriv', '/bin/setpriv'].find((path) => existsSync(path))

/** Put before a program, it and all that it starts never gain a privilege, whatever set-user-id program they find. */
export const withoutNewPrivileges: readonly string[] = setpriv ? [setpriv, '--no-new-privs', '--'] : []

type Start = { readonly argv: readonly [string, ...string[]]; readonly cwd: string }

/**
 * How a program of an unprivileged user is started by root: the user itself enters the directory, as Node.js would enter it while
 * still root, and so lead the program through a link of the user's own into a directory that is closed to it. Without a user, and
 * without root, it is started as it is.
 */
export const confined = ({ argv, cwd }: Start, user: RunAs | null): Start =>
  user && isRoot()
    ? {
        argv: ['/bin/sh', '-c', 'cd -P -- "$0" && unset OLDPWD && exec "$@"', cwd, ...withoutNewPrivileges, ...argv],
        cwd: '/',
      }
    : { argv, cwd }

import type { Explanation } from '../release/index.ts'
import { green, printable, red, yellow } from './output.ts'

type Asked = { readonly name: string; readonly judgement: NonNullable<Explanation['latency']> }

/** What a step waits for: with latency judged by itself both must pass, so that each is told with its name. */
export const asked = (now: NonNullable<Explanation['latency']>, latency: Explanation['latency']): readonly Asked[] =>
  latency
    ? [
        { name: 'errors: ', judgement: now },
        { name: 'latency: ', judgement: latency },
      ]
    : [{ name: '', judgement: now }]

export const spoken = ({ name, judgement: { verdict, reason } }: Asked): string => {
  const said = verdict === 'fail' ? red('fail') : verdict === 'pass' ? green('pass') : yellow('no verdict yet')
  return `${name}${said}: ${printable(reason)}`
}

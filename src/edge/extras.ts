import { type Fields, fields, finite, list, Malformed, oneOf, text, whole } from '../agent/check.ts'
import { isPassedOn } from './headers.ts'
import type { EdgeAffinity, EdgeMirror, EdgeOverride, EdgeRoute, EdgeSampling } from './protocol.ts'
import { parseMatch, parseRules } from './rules.ts'

// What a route may have beside its hosts and pools, as the agent gets it and as the edge does. Loads no schema library.

const token = /^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,64}$/
const mostOverrides = 16
const mostAffinitySeconds = 400 * 86_400 // browsers keep no cookie longer
const mostErrorWindowMs = 3_600_000
const methods = ['GET', 'HEAD', 'OPTIONS', 'POST', 'PUT', 'PATCH', 'DELETE'] as const

/** Of a route in unknown JSON what this file is about; a Malformed that names the place of the first fault. */
export const parseRouteExtras = (
  route: Fields,
  at: string,
): Pick<EdgeRoute, 'affinity' | 'overrides' | 'sample' | 'match' | 'rules'> => ({
  ...(route.affinity === undefined ? {} : { affinity: parseAffinity(route.affinity, `${at}.affinity`) }),
  ...(route.overrides === undefined ? {} : { overrides: parseOverrides(route.overrides, `${at}.overrides`) }),
  ...(route.sample === undefined ? {} : { sample: parseSampling(route.sample, `${at}.sample`) }),
  ...(route.match === undefined ? {} : { match: parseMatch(route.match, `${at}.match`) }),
  ...(route.rules === undefined ? {} : { rules: parseRules(route.rules, `${at}.rules`) }),
})

/** A mirror but for where its copies go; without methods where none are named. */
export const parseMirrorExtras = (
  mirror: Fields,
  at: string,
): Pick<EdgeMirror, 'version' | 'share'> & Partial<Pick<EdgeMirror, 'methods'>> => {
  const share = finite(mirror.share, `${at}.share`)
  if (share < 0 || share > 1) throw new Malformed(`${at}.share is not from 0 to 1`)
  const version = nonEmpty(mirror.version, `${at}.version`)
  if (mirror.methods === undefined) return { version, share }
  return {
    version,
    share,
    methods: list(mirror.methods, `${at}.methods`, (method, place) => oneOf(method, place, methods)),
  }
}

const parseAffinity = (value: unknown, at: string): EdgeAffinity => {
  const affinity = fields(value, at)
  return {
    cookie: tokenIn(affinity.cookie, `${at}.cookie`),
    seconds: within(affinity.seconds, `${at}.seconds`, 1, mostAffinitySeconds),
  }
}

const parseOverrides = (value: unknown, at: string): EdgeOverride[] => {
  const overrides = list(value, at, parseOverride)
  if (overrides.length > mostOverrides) throw new Malformed(`${at} has more than ${mostOverrides} entries`)
  return overrides
}

const parseOverride = (value: unknown, at: string): EdgeOverride => {
  const override = fields(value, at)
  const place = oneOf(override.in, `${at}.in`, ['header', 'query'])
  const name = place === 'header' ? tokenIn(override.name, `${at}.name`) : nonEmpty(override.name, `${at}.name`)
  if (place === 'header' && !isPassedOn(name)) throw new Malformed(`${at}.name is a header that is not passed on`)
  return {
    in: place,
    name,
    value: nonEmpty(override.value, `${at}.value`),
    version: nonEmpty(override.version, `${at}.version`),
  }
}

const parseSampling = (value: unknown, at: string): EdgeSampling => ({
  errorWindowMs: within(fields(value, at).errorWindowMs, `${at}.errorWindowMs`, 0, mostErrorWindowMs),
})

const nonEmpty = (value: unknown, at: string): string => {
  const given = text(value, at)
  if (given === '' || given.length > 512) throw new Malformed(`${at} is not a text of 1 to 512 characters`)
  return given
}

const tokenIn = (value: unknown, at: string): string => {
  const given = text(value, at)
  if (!token.test(given)) throw new Malformed(`${at} is not a name of letters, digits and dashes (RFC 9110, 5.6.2)`)
  return given
}

const within = (value: unknown, at: string, least: number, most: number): number => {
  const number = whole(value, at)
  if (number < least || number > most) throw new Malformed(`${at} is not from ${least} to ${most}`)
  return number
}

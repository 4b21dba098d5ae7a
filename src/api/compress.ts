import { promisify } from 'node:util'
import { constants, gzip } from 'node:zlib'
import type { Context, Next } from 'hono'

/** Less than a packet saves nothing. */
const leastBytes = 1_400
const squeeze = promisify(gzip)

/** Answers in JSON are compressed for whom takes them so; what streams (events, logs) goes on as it comes. */
export async function compressJson(context: Context, next: Next): Promise<void> {
  await next()
  const { res } = context
  const isJson = /^application\/(problem\+)?json\b/.test(res.headers.get('content-type') ?? '')
  if (!isJson || res.headers.has('content-encoding') || !takesGzip(context.req.header('accept-encoding'))) return
  const plain = new Uint8Array(await res.arrayBuffer())
  const body = plain.length < leastBytes ? plain : await squeeze(plain, { level: constants.Z_BEST_SPEED })
  context.res = new Response(body, res)
  context.res.headers.delete('content-length')
  context.res.headers.append('vary', 'accept-encoding')
  if (body !== plain) context.res.headers.set('content-encoding', 'gzip')
}

const takesGzip = (accepted: string | undefined): boolean => /\bgzip\b(?!;\s*q=0(?:\.0*)?(?:,|$))/.test(accepted ?? '')

import { z } from 'zod'
import { effect } from '../../../effect.ts'
import { describeError } from '../../../problem.ts'
import type { ContainerWish } from '../sandbox.ts'
import { type Engine, EngineFault, jsonLines } from './engine.ts'

/** An image's name as the Distribution specification has it, with a tag or a digest. */
const reference =
  /^[a-zA-Z0-9][a-zA-Z0-9.-]*(:[0-9]+)?(\/[a-z0-9._-]+)*(:[A-Za-z0-9_][A-Za-z0-9._-]{0,127})?(@sha256:[0-9a-f]{64})?$/

export const Image = z.object({
  Id: z.string(),
  RepoDigests: z.array(z.string()).nullish(),
  Config: z.object({ Env: z.array(z.string()).nullish(), User: z.string().nullish() }).nullish(),
})
export type Image = z.infer<typeof Image>

const Progress = z.object({ error: z.string().optional(), status: z.string().optional() })

/**
 * Makes sure that an image is here. It is pulled for every job, as its registry must say each time whether this job may have it; only one
 * that never came from a registry (built or imported on this machine) is taken as it is, and one that is here when the registry cannot
 * be reached, where the job named no credentials.
 */
export const ensureImage = async (
  engine: Engine,
  { image, credentials }: Pick<ContainerWish, 'image' | 'credentials'>,
  say: (line: string) => void,
  signal: AbortSignal,
): Promise<Image> => {
  if (!reference.test(image)) throw new Error(`"${image}" is no name of an image`)
  const here = await inspectImage(engine, image)
  if (here && (here.RepoDigests ?? []).length === 0) return here
  try {
    say(`Pulling ${image}`)
    await pull(engine, image, credentials, signal)
  } catch (error) {
    const isDenied = error instanceof EngineFault && [401, 403, 404].includes(error.status)
    if (!here || isDenied || credentials) throw new Error(`the image ${image} cannot be had: ${describeError(error)}`)
    say(`##[warning]${image} could not be pulled and is taken as it is here: ${describeError(error)}`)
    return here
  }
  const pulled = await inspectImage(engine, image)
  if (!pulled) throw new Error(`the image ${image} is not there after it was pulled`)
  return pulled
}

export const inspectImage = async (engine: Engine, image: string): Promise<Image | null> => {
  try {
    return await engine.ask({ method: 'GET', path: `/images/${image}/json` }, Image)
  } catch (error) {
    if (error instanceof EngineFault && error.status === 404) return null
    throw error
  }
}

const pull = (
  engine: Engine,
  image: string,
  credentials: ContainerWish['credentials'],
  signal: AbortSignal,
): Promise<void> =>
  effect('build.pull-image', async () => {
    const hasTag = /[:@][^/]*$/.test(image)
    const query = new URLSearchParams({ fromImage: image, ...(hasTag ? {} : { tag: 'latest' }) })
    const response = await engine.open({
      method: 'POST',
      path: `/images/create?${query}`,
      signal,
      ...(credentials ? { headers: { 'x-registry-auth': authOf(image, credentials) } } : {}),
    })
    for await (const { error } of jsonLines(response, Progress))
      if (error !== undefined) throw new EngineFault(statusOf(error), error)
  })

/** What a registry said comes as text only, behind a status of 200. */
const statusOf = (error: string): number =>
  /denied|unauthorized|authentication required/i.test(error)
    ? 403
    : /not found|manifest unknown/i.test(error)
      ? 404
      : 500

const authOf = (image: string, { username, password }: { username: string; password: string }): string => {
  const [first = ''] = image.split('/')
  const isHost = image.includes('/') && /[.:]|^localhost$/.test(first)
  const serveraddress = isHost ? first : 'https://index.docker.io/v1/'
  return Buffer.from(JSON.stringify({ username, password, serveraddress })).toString('base64url')
}

import type { Clock } from '../../../clock.ts'

/** A server that is killed or restarted answers again within some seconds; a job need not fail for that. */
const pausesMs = [500, 1000, 2000, 4000, 8000]

/** Does what may fail because the server is away, again after each pause; rejects with the last reason. */
export const patiently = async <Result>(act: () => Promise<Result>, clock: Clock): Promise<Result> => {
  for (const pauseMs of pausesMs) {
    try {
      return await act()
    } catch {
      await clock.sleep(pauseMs)
    }
  }
  return act()
}

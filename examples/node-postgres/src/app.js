import { page } from './page.js'

/** Answers requests: the page at `/`, and at `/health` whether the database answers. */
export const createApp = ({ visits, release, instance }) => {
  const routes = {
    '/': async () => [200, 'text/html; charset=utf-8', page({ release, instance, visits: await visits.count() })],
    '/health': async () => {
      await visits.answers()
      return [200, 'application/json', '{"ok":true}\n']
    },
  }
  return async (request, response) => {
    const route = routes[request.url.split('?')[0]]
    const [status, type, body] = route
      ? await route().catch((error) => [503, 'text/plain', `${error.message}\n`])
      : [404, 'text/plain', 'there is nothing here\n']
    response.writeHead(status, { 'content-type': type, 'cache-control': 'no-store' }).end(body)
  }
}

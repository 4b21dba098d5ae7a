import { QueryCache, QueryClient, QueryClientProvider } from '@tanstack/react-query'
import { RouterProvider } from '@tanstack/react-router'
import { StrictMode } from 'react'
import { createRoot } from 'react-dom/client'
import { createLive } from './api/live.ts'
import { Refusal } from './api/refusal.ts'
import { createAppRouter } from './router.tsx'
import './styles.css'

/** A session that is over leads to the sign-in, and back to where one was. */
const leaveWhenSignedOut = (error: unknown): void => {
  const isOver = error instanceof Refusal && error.status === 401
  if (!isOver || router.state.location.pathname === '/sign-in') return
  void router.navigate({ to: '/sign-in', search: { to: router.state.location.href } })
}

const queries = new QueryClient({
  queryCache: new QueryCache({ onError: leaveWhenSignedOut }),
  defaultOptions: {
    queries: {
      staleTime: 5_000,
      // What was refused stays refused; who does not answer is asked again until he does.
      retry: (failures, error) =>
        error instanceof Refusal && (error.status === 0 || error.status === 503) && failures < 30,
      retryDelay: (failures) => Math.min(500 * 2 ** failures, 4_000),
      networkMode: 'always', // the server may be on this very machine
    },
    mutations: { networkMode: 'always' },
  },
})
const live = createLive(queries)
const router = createAppRouter(queries, live)

const root = document.getElementById('root')
if (root)
  createRoot(root).render(
    <StrictMode>
      <QueryClientProvider client={queries}>
        <RouterProvider router={router} />
      </QueryClientProvider>
    </StrictMode>,
  )

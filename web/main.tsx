import { QueryCache, QueryClient, QueryClientProvider } from '@tanstack/react-query'
import { RouterProvider } from '@tanstack/react-router'
import { StrictMode } from 'react'
import { createRoot } from 'react-dom/client'
import { createLive } from './api/live.ts'
import { Refusal } from './api/refusal.ts'
import { createSession } from './api/session.ts'
import { createAppRouter } from './router.tsx'
import './styles.css'

const session = createSession()
const queries = new QueryClient({
  queryCache: new QueryCache({ onError: session.heed }),
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
const live = createLive(queries, session)
const router = createAppRouter({ queries, live, session })

const root = document.getElementById('root')
if (root)
  createRoot(root).render(
    <StrictMode>
      <QueryClientProvider client={queries}>
        <RouterProvider router={router} />
      </QueryClientProvider>
    </StrictMode>,
  )

import { useQueryClient } from '@tanstack/react-query'
import { useNavigate } from '@tanstack/react-router'
import { answer, api } from '../api/client.ts'
import { Refusal } from '../api/refusal.ts'

/** Ends the session of this browser, and leads to where one signs in with nothing of it left. Rejects when the server did not end it. */
export const useSignOut = () => {
  const queries = useQueryClient()
  const navigate = useNavigate()
  return async (): Promise<void> => {
    await answer(api.session.session.$delete()).catch((error: unknown) => {
      if (!(error instanceof Refusal && error.status === 401)) throw error // it has ended by itself
    })
    queries.clear()
    await navigate({ to: '/sign-in' })
  }
}

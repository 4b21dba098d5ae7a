import { useParams } from '@tanstack/react-router'

const key = 'headway-project'

/** The project that this browser looked at last; null where none is known. */
export const rememberedProject = (): string | null => {
  try {
    return localStorage.getItem(key)
  } catch {
    return null // storage is closed to us
  }
}

export const rememberProject = (project: string): void => {
  try {
    localStorage.setItem(key, project)
  } catch {
    // storage is closed to us; the first project is shown next time
  }
}

/** The project of this page; on a page of the whole instance the one that was looked at last. */
export const useProject = (): string => {
  const { project } = useParams({ strict: false })
  return project ?? rememberedProject() ?? 'default'
}

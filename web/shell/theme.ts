import { useState } from 'react'

export type Theme = 'system' | 'light' | 'dark'
const key = 'headway-theme'

const chosen = (): Theme => {
  const theme = document.documentElement.dataset.theme
  return theme === 'light' || theme === 'dark' ? theme : 'system'
}

/** The theme, and how to choose another; it is remembered by this browser (public/theme.js applies it before the first paint). */
export const useTheme = (): [Theme, (theme: Theme) => void] => {
  const [theme, setTheme] = useState(chosen)
  const choose = (next: Theme): void => {
    if (next === 'system') delete document.documentElement.dataset.theme
    else document.documentElement.dataset.theme = next
    try {
      if (next === 'system') localStorage.removeItem(key)
      else localStorage.setItem(key, next)
    } catch {
      // storage is closed to us: it holds until the page is left
    }
    setTheme(next)
  }
  return [theme, choose]
}

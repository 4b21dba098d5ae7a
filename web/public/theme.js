// Before the first paint: the theme that was chosen here, so that a dark page never flashes white.
try {
  const theme = localStorage.getItem('headway-theme')
  if (theme === 'light' || theme === 'dark') document.documentElement.dataset.theme = theme
} catch {
  // storage is closed to us: the system's choice holds
}

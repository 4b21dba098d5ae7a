// Runs before everything else and needs nothing else: says so when a part of this page did not come (index.html holds the words).
addEventListener(
  'error',
  ({ target }) => {
    const words = document.getElementById('not-started')
    if (!words) return // the page runs; it tells by itself what it could not load
    if (target instanceof HTMLLinkElement && target.rel === 'stylesheet' && !target.dataset.again) {
      const again = target.cloneNode()
      again.dataset.again = ''
      target.replaceWith(again)
    }
    if (!(target instanceof HTMLScriptElement)) return
    const lost = document.getElementById('not-loaded')
    if (lost) lost.textContent = new URL(target.src).pathname
    words.dataset.failed = ''
    words.querySelector('a')?.focus()
  },
  true,
)
// A link of its own would forget what stands behind the # of this address, such as an invitation.
addEventListener('click', (event) => {
  if (!(event.target instanceof Element) || !event.target.closest('#not-started a')) return
  event.preventDefault()
  location.reload()
})

import { registerHooks } from 'node:module'

/**
 * Zod brings its messages in sixty languages, of which Headway says one; no import of its leaves the others out. They are looked for
 * at that one from now on, so that a server neither reads nor keeps them.
 */
export const leaveOutLanguages = (): void => {
  registerHooks({
    resolve: (specifier, context, next) => {
      const found = next(specifier, context)
      return found.url.endsWith('/zod/v4/locales/index.js')
        ? { ...found, url: found.url.replace(/index\.js$/, 'en.js') }
        : found
    },
  })
}

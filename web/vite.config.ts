import tailwindcss from '@tailwindcss/vite'
import { defineConfig } from 'vite'

/** Names of files hold a digest of what is in them, so that browsers may keep them for good; no source maps leave the house. */
export default defineConfig({
  root: import.meta.dirname,
  plugins: [tailwindcss()],
  oxc: { jsx: { runtime: 'automatic' } },
  build: {
    outDir: 'dist',
    emptyOutDir: true,
    sourcemap: false,
    target: 'es2022',
    cssTarget: ['chrome123', 'firefox121', 'safari17.5'],
    modulePreload: { polyfill: false },
    assetsInlineLimit: 0, // the content security policy knows no data: script or font
    reportCompressedSize: false,
    rolldownOptions: {
      // Marks for servers that render; nothing here is rendered by one.
      onwarn: (warning, tell) => warning.code !== 'MODULE_LEVEL_DIRECTIVE' && tell(warning),
    },
  },
  logLevel: 'warn',
})

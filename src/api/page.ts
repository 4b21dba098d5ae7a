export const escapeHtml = (text: string): string =>
  text.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`)

/** A page of ours: no script, nothing from elsewhere, light or dark as the reader likes. */
export const page = (title: string, body: string): string => `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escapeHtml(title)}</title><style>${style}</style></head><body>${body}</body></html>`

/** What this is and where to go, where the web has not been built. */
export const welcomePage = (version: string): string =>
  page(
    'Headway',
    `<main><h1>Headway</h1>
<p>The DevOps loop as one system: push, see it live. Version ${escapeHtml(version)}.</p>
<p>The web is not built here: <code>npm run build</code> in the checkout does it.</p>
<h2>Put a service here</h2>
<pre>headway init
git push headway main</pre>
<p>The push tells what happens and ends with the address of the service, or with the error.</p>
<h2>Look around</h2>
<ul><li><code>headway status</code> shows what runs, <code>headway logs -f &lt;service&gt;</code> what it says.</li>
<li><a href="/api">The API</a>, also as <a href="/api/v1/openapi.json">OpenAPI</a>.</li>
<li><a href="/health">Whether this server is ready</a>.</li></ul></main>`,
  )

const style = `
:root{color-scheme:light dark;--line:#8884;--soft:#8882;--accent:light-dark(#0a5,#4d9)}
*{box-sizing:border-box}
body{font:16px/1.55 system-ui,sans-serif;margin:0;padding:2rem 1rem 4rem}
main{max-width:52rem;margin:0 auto}
h1{font-size:2rem;margin:0 0 .3rem;letter-spacing:-.02em}
h2{font-size:1.15rem;margin:2.2rem 0 .6rem}
h3{font-size:.8rem;margin:1rem 0 .3rem;text-transform:uppercase;letter-spacing:.06em;opacity:.7}
a{color:var(--accent)}
pre,code{font:.88em/1.5 ui-monospace,monospace}
pre{background:var(--soft);padding:.8rem 1rem;border-radius:.5rem;overflow:auto;margin:.4rem 0}
nav{display:flex;flex-wrap:wrap;gap:.3rem .9rem}
details{border:1px solid var(--line);border-radius:.5rem;margin:.45rem 0;padding:0 .9rem}
summary{cursor:pointer;padding:.55rem 0;display:flex;gap:.7rem;align-items:baseline;flex-wrap:wrap}
summary code{font-weight:600;overflow-wrap:anywhere}
summary span{opacity:.75}
.method{font:700 .75rem/1 ui-monospace,monospace;padding:.3rem .45rem;border-radius:.3rem;background:var(--soft);color:var(--accent)}
table{border-collapse:collapse;width:100%;font-size:.92rem}
td{border-top:1px solid var(--line);padding:.3rem .6rem .3rem 0;vertical-align:top}
`

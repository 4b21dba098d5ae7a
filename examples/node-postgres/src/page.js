/** What a visitor reads. */
export const page = ({ release, instance, visits }) =>
  [
    '<!doctype html><meta charset="utf-8"><title>A service on Headway</title>',
    '<h1>Hello from PostgreSQL</h1>',
    `<p>You are visit number <b>${visits}</b>.</p>`,
    `<p>Release <code>${escaped(release)}</code>, instance <code>${escaped(instance)}</code>.</p>`,
    '',
  ].join('\n')

const escaped = (text) => text.replace(/[&<>"]/g, (character) => `&#${character.charCodeAt(0)};`)

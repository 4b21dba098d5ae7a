/** Where the lines between the rooms run: a stage sees another stage's facts and face, never its insides. */
const stages = 'plan|code|build|test|secure|package|release|deploy|operate|monitor|learn|events'
export default {
  forbidden: [
    {
      name: 'no-cycles',
      severity: 'error',
      from: {},
      to: { circular: true, viaOnly: { dependencyTypesNot: ['type-only'] } },
    },
    {
      name: 'stages-meet-through-their-faces',
      comment:
        "Another stage's facts.ts, index.ts, and the port types it publishes (release.ts, attachments.ts, judging.ts); nothing else.",
      severity: 'error',
      from: { path: `^src/(${stages})/`, pathNot: '[./](test|testing)\\.ts$' },
      to: {
        path: `^src/(${stages})/`,
        pathNot: ['^src/$1/', '^src/[^/]+/(facts|index|release|attachments|judging)\\.ts$'],
      },
    },
    {
      name: 'grounds-know-no-stage',
      severity: 'error',
      from: { path: '^src/(ledger|access|store|processes|golden)/', pathNot: '\\.test\\.ts$' },
      to: { path: `^src/(${stages}|api|cli)/`, pathNot: '^src/api/route\\.ts$' },
    },
    {
      name: 'agent-and-edge-know-no-stage',
      severity: 'error',
      from: { path: '^src/(agent|edge)/', pathNot: '\\.test\\.ts$' },
      to: { path: `^src/(${stages}|ledger|store|api|cli|server)`, pathNot: '^$' },
    },
    {
      name: 'edge-stands-alone',
      severity: 'error',
      from: { path: '^src/edge/', pathNot: '\\.test\\.ts$' },
      to: {
        path: '^src/',
        pathNot: [
          '^src/edge/',
          '^src/agent/(check|protocol|start)\\.ts$',
          '^src/(effect|problem|clock|processes/memory)\\.ts$',
        ],
      },
    },
    {
      name: 'faces-hold-no-logic',
      comment: 'The command line talks to the API like anybody else; it sees schemas and golden-path files, no stage.',
      severity: 'error',
      from: { path: '^src/cli/', pathNot: '\\.test\\.ts$' },
      to: {
        path: `^src/(${stages}|store|agent)/`,
        pathNot: ['facts\\.ts$', 'protocol\\.ts$'],
        dependencyTypesNot: ['type-only'],
      },
    },
    {
      name: 'web-asks-the-api',
      comment: "The web sees the server's types, so that what it asks is what there is; it runs none of its code.",
      severity: 'error',
      from: { path: '^web/' },
      to: { path: '^src/', dependencyTypesNot: ['type-only'] },
    },
    {
      name: 'web-parts-know-no-page',
      severity: 'error',
      from: { path: '^web/(ui|api|texts)/' },
      to: { path: '^web/(pages|shell)/' },
    },
    { name: 'server-knows-no-web', severity: 'error', from: { path: '^src/' }, to: { path: '^web/' } },
    { name: 'no-unresolved', severity: 'error', from: {}, to: { couldNotResolve: true } },
    {
      name: 'no-dev-packages',
      severity: 'error',
      from: { path: '^src/', pathNot: '\\.test\\.ts$' },
      to: { dependencyTypes: ['npm-dev'], dependencyTypesNot: ['type-only'] },
    },
  ],
  options: {
    parser: 'swc',
    tsPreCompilationDeps: true,
    doNotFollow: { path: 'node_modules' },
    exclude: { path: '^web/dist/' },
    enhancedResolveOptions: {
      extensions: ['.ts', '.tsx', '.js', '.mjs', '.json', '.css'],
      exportsFields: ['exports'],
      conditionNames: ['import', 'node', 'default'],
    },
  },
}

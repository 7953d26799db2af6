/**
 * Who may import whom, types included: the rooms are trust zones, so an import across a wall is a leak waiting to
 * happen. dependency-cruiser reads this; test/tidy/rooms.test.ts proves that it notices.
 */
const room = (name, ...allowed) => ({
  name: `room-${name}`,
  comment: `src/${name} imports only ${[name, ...allowed].join(', ')}`,
  severity: 'error',
  from: { path: `^src/${name}/` },
  to: { path: '^(src|test|bench|certs)/', pathNot: `^src/(${[name, ...allowed].join('|')})/` },
})

/** One file alone may open the door to a package that needs care. */
const door = (name, packagePath, file) => ({
  name: `door-${name}`,
  comment: `only ${file} imports ${packagePath}`,
  severity: 'error',
  from: { path: '^(src|bench)/', pathNot: file },
  to: { path: `(^|node_modules/)${packagePath}(/|$)` },
})

/** What the cardholder data environment is built on: each more is more to audit. Builtin modules and these packages. */
const CDE_PACKAGES = [
  'ajv',
  'aws4fetch',
  'card-validator',
  'pg',
  'prom-client',
  'shamir-secret-sharing',
  '@types/card-validator',
  '@types/pg',
]
const CDE_BUILTINS = [
  'assert',
  'assert/strict',
  'buffer',
  'crypto',
  'dgram',
  'events',
  'fs',
  'fs/promises',
  'https',
  'http',
  'net',
  'path',
  'sqlite',
  'timers',
  'timers/promises',
  'tls',
  'url',
  'util',
]

export default {
  forbidden: [
    room('cde', 'wire', 'kit'),
    room('sbc', 'wire', 'kit'),
    room('desk', 'wire', 'kit'),
    room('sipd', 'kit'),
    room('demo', 'kit'),
    room('wire'),
    room('kit'),
    {
      name: 'main-is-the-top',
      comment: 'only main builds things, and nothing builds on main',
      severity: 'error',
      from: { path: '^src/', pathNot: '^src/(main/|main\\.ts)' },
      to: { path: '^src/(main/|main\\.ts)' },
    },
    {
      name: 'guard-and-vault-apart',
      comment: 'guard and vault are two processes: they share only what lies between them in src/cde',
      severity: 'error',
      from: { path: '^src/cde/(guard|vault)/' },
      to: { path: '^src/cde/(guard|vault)/', pathNot: '^src/cde/$1/' },
    },
    {
      name: 'trunk-check-without-vault',
      comment: 'a trunk check has no business with cards',
      severity: 'error',
      from: { path: '^src/cde/trunk-check/' },
      to: { path: '^src/cde/vault/' },
    },
    {
      name: 'trunk-check-apart',
      comment: 'a trunk check borrows the parsers of the guard; nothing of the CDE builds on it',
      severity: 'error',
      from: { path: '^src/cde/(?!trunk-check/)' },
      to: { path: '^src/cde/trunk-check/' },
    },
    door('drachtio-srf', 'drachtio-srf', '^src/sbc/sip-server\\.ts$'),
    door('pg', 'pg', '^src/cde/vault/postgres-connection\\.ts$'),
    door('rtpengine-client', 'rtpengine-client', '^src/sbc/rtpengine-control\\.ts$'),
    {
      name: 'hsm-apart',
      comment:
        'the process of the HSM borrows nothing of the vault but types, and nothing of the CDE builds on it but its protocol',
      severity: 'error',
      from: { path: '^src/cde/(?!hsm/)' },
      to: { path: '^src/cde/hsm/' },
    },
    {
      name: 'foreign-functions',
      comment: 'native code is called in the process of the HSM, and nowhere else',
      severity: 'error',
      from: { path: '^src/', pathNot: '^src/cde/hsm/pkcs11-(library|token)\\.ts$' },
      to: { path: '^(node:)?ffi$' },
    },
    {
      name: 'cde-packages',
      comment: 'the cardholder data environment imports only a pinned list of packages',
      severity: 'error',
      from: { path: '^src/cde/' },
      to: { path: 'node_modules/', pathNot: `node_modules/(${CDE_PACKAGES.join('|')})/` },
    },
    {
      name: 'cde-builtins',
      comment: 'the cardholder data environment starts no programs and loads no code',
      severity: 'error',
      from: { path: '^src/cde/' },
      to: { dependencyTypes: ['core'], pathNot: `^(node:)?(${CDE_BUILTINS.join('|')})$` },
    },
    {
      name: 'no-test-in-product',
      comment: 'the product does not import tests or benches',
      severity: 'error',
      from: { path: '^src/' },
      to: { path: '^(test|bench)/' },
    },
    {
      name: 'no-circle',
      comment: 'modules that import each other cannot be read one by one',
      severity: 'error',
      from: { path: '^src/' },
      to: { circular: true, viaOnly: { dependencyTypesNot: ['type-only'] } },
    },
    {
      name: 'resolvable',
      // Node lists node:ffi among its modules only by its full name, and so the checker does not find it.
      comment: 'an import that cannot be found is not checked',
      severity: 'error',
      from: {},
      to: { couldNotResolve: true, pathNot: '^(node:)?ffi$' },
    },
    {
      name: 'declared',
      comment: 'a package must be in package.json',
      severity: 'error',
      from: { path: '^(src|certs)/' },
      to: { dependencyTypes: ['npm-no-pkg', 'npm-unknown', 'npm-dev'], dependencyTypesNot: ['type-only'] },
    },
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    exclude: { path: '^src/desk/page/' },
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.json' },
    enhancedResolveOptions: {
      exportsFields: ['exports'],
      conditionNames: ['import', 'require', 'node', 'default', 'types'],
    },
  },
}

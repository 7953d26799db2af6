/**
 * What a process of the cardholder data environment loads beside Node itself: guard, vault, the vault's HSM process and analyser, with the parts of
 * src/kit, src/wire and src/main that start them. Each more is more to audit; test/main/cde-packages.test.ts compares both
 * lists with the imports and the lockfile (PCI DSS 6.3.2).
 */
export const CDE_PACKAGES: readonly string[] = [
  'ajv',
  'aws4fetch',
  'card-validator',
  'pg',
  'pino',
  'prom-client',
  'shamir-secret-sharing',
  'yaml',
]

/** What those packages need in turn, and what that needs. */
export const CDE_PACKAGES_BELOW: readonly string[] = [
  '@opentelemetry/api',
  '@pinojs/redact',
  'atomic-sleep',
  'bintrees',
  'credit-card-type',
  'fast-deep-equal',
  'fast-uri',
  'json-schema-traverse',
  'on-exit-leak-free',
  'pg-cloudflare',
  'pg-connection-string',
  'pg-int8',
  'pg-pool',
  'pg-protocol',
  'pg-types',
  'pgpass',
  'pino-abstract-transport',
  'pino-std-serializers',
  'postgres-array',
  'postgres-bytea',
  'postgres-date',
  'postgres-interval',
  'process-warning',
  'quick-format-unescaped',
  'real-require',
  'require-from-string',
  'safe-stable-stringify',
  'sonic-boom',
  'split2',
  'tdigest',
  'thread-stream',
  'xtend',
]

import { PROBLEM_TYPE, PROBLEMS, type ProblemCode } from './problem.ts'
import { ROUTES, type Route } from './routes.ts'
import { PARAMETERS, SHAPES, type ShapeName } from './shape.ts'

/** What any request may come to. */
const COMMON: readonly ProblemCode[] = [
  'malformed',
  'role_not_allowed',
  'rate_limited',
  'internal',
  'closing',
  'store_failed',
  'key_failed',
  'sealed',
]
const OF_ORDERS: readonly ProblemCode[] = ['key_missing', 'request_in_progress', 'idempotency_conflict']
const OF_BODIES: readonly ProblemCode[] = ['body_too_large', 'not_json']

/** The OpenAPI 3.1 document, made of the routes and the schemas that requests are checked against. */
export function openApiDocument(): Readonly<Record<string, unknown>> {
  return {
    openapi: '3.1.0',
    info: {
      title: 'Tonewall vault',
      version: '1',
      description:
        'Tokens of cards, for systems inside of the cardholder data environment. TLS 1.3 with certificates on both sides: NAME.ROLE.tonewall.internal is the one DNS name of a client. ' +
        'A request with an Idempotency-Key that is repeated within a day has the same answer, also after a crash; one that was refused has done nothing.',
      license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
    },
    servers: [{ url: '/' }],
    tags: [{ name: 'tokens' }, { name: 'bulk' }, { name: 'vault' }],
    paths: pathsOf(ROUTES),
    components: {
      schemas: SHAPES,
      securitySchemes: { certificate: { type: 'mutualTLS', description: 'A certificate of the site’s authority.' } },
    },
    security: [{ certificate: [] }],
  }
}

function pathsOf(routes: readonly Route[]): Readonly<Record<string, unknown>> {
  const paths: Record<string, Record<string, unknown>> = {}
  for (const route of routes) {
    const path = route.path.replaceAll(/:(\w+)/g, '{$1}')
    const item = (paths[path] ??= {})
    item[route.method.toLowerCase()] = operationOf(route)
  }
  return paths
}

function operationOf(route: Route): Readonly<Record<string, unknown>> {
  const { operation, summary, roles, body, answers, isOrder } = route
  const names = [...route.path.matchAll(/:(\w+)/g)].map(([, name = '']) => name as keyof typeof PARAMETERS)
  const parameters = [
    ...names.map((name) => ({ name, in: 'path', required: true, schema: PARAMETERS[name] })),
    ...(isOrder ? [IDEMPOTENCY_KEY] : []),
  ]
  return {
    operationId: operation,
    summary,
    description: 'For clients of the roles: ' + roles.join(', ') + '.',
    tags: [route.path.includes('bulk') ? 'bulk' : names.length > 0 ? 'tokens' : 'vault'],
    ...(parameters.length === 0 ? {} : { parameters }),
    ...(body === null
      ? {}
      : { requestBody: { required: true, content: { 'application/json': { schema: ref(body) } } } }),
    responses: {
      [String(answers.status)]: {
        description: answers.status === 204 ? 'Done.' : 'The answer.',
        ...(answers.status === 204
          ? {}
          : {
              content: {
                'application/json': { schema: answers.shape === null ? { type: 'object' } : ref(answers.shape) },
              },
            }),
      },
      ...problemsOf(route),
    },
  }
}

const IDEMPOTENCY_KEY = {
  name: 'Idempotency-Key',
  in: 'header',
  required: true,
  description: 'New for each order, the same when it is repeated (draft-ietf-httpapi-idempotency-key-header).',
  schema: { type: 'string', pattern: '^("[A-Za-z0-9_-]{8,64}"|[A-Za-z0-9_-]{8,64})$' },
}

function ref(name: ShapeName): { readonly $ref: string } {
  return { $ref: '#/components/schemas/' + name }
}

/** Codes of one status share one entry. */
function problemsOf({ problems, isOrder, body, path }: Route): Readonly<Record<string, unknown>> {
  const codes = [
    ...COMMON,
    ...(path.includes(':merchant') ? (['unknown_merchant'] as const) : []),
    ...(isOrder ? OF_ORDERS : []),
    ...(body === null ? [] : OF_BODIES),
    ...problems,
  ]
  const statuses = new Map<number, Set<ProblemCode>>()
  for (const code of codes) {
    const { status } = PROBLEMS[code]
    statuses.set(status, (statuses.get(status) ?? new Set()).add(code))
  }
  return Object.fromEntries(
    [...statuses].map(([status, sharing]) => [
      String(status),
      {
        description: [...sharing].map((code) => code + ': ' + PROBLEMS[code].title + '.').join(' '),
        content: { [PROBLEM_TYPE]: { schema: ref('problem') } },
      },
    ]),
  )
}

import { Ajv2020 } from 'ajv/dist/2020.js'
import t from 'tap'
import { openApiDocument } from '../../../../src/cde/vault/api/document.ts'
import { PROBLEMS } from '../../../../src/cde/vault/api/problem.ts'
import { findRoute, ROUTES } from '../../../../src/cde/vault/api/routes.ts'
import { SHAPES } from '../../../../src/cde/vault/api/shape.ts'
import { openApiFaults } from '../../../fakes/openapi-faults.ts'
import { testCard } from '../../../fakes/test-card.ts'
import { newKey, tokenOf } from '../open-test-vault.ts'
import { openApi } from './api-site.ts'

type Operation = {
  readonly operationId: string
  readonly parameters?: readonly { readonly name: string; readonly in: string }[]
  readonly responses: Readonly<Record<string, { readonly description: string; readonly content?: object }>>
}
const document = openApiDocument()
const paths = document['paths'] as Readonly<Record<string, Readonly<Record<string, Operation>>>>
const operations = Object.entries(paths).flatMap(([path, item]) =>
  Object.entries(item).map(([method, operation]) => ({ path, method, operation })),
)

t.test('each route is in the document once, with every parameter of its path', (t) => {
  t.equal(document['openapi'], '3.1.0')
  t.same(
    operations.map(({ operation }) => operation.operationId).sort(),
    ROUTES.map(({ operation }) => operation).sort(),
  )
  for (const { path, operation } of operations) {
    const named = [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => name)
    t.same(
      (operation.parameters ?? []).filter((one) => one.in === 'path').map(({ name }) => name),
      named,
    )
    const success = Object.keys(operation.responses).filter((status) => status.startsWith('2'))
    t.equal(success.length, 1)
  }
  t.end()
})

type Spoilt = {
  readonly info: { title?: string }
  readonly paths: Record<string, Record<string, { parameters?: { in: string }[]; responses: Record<string, object> }>>
  readonly components: { readonly schemas: Record<string, object>; securitySchemes: { certificate: { type: string } } }
}
const CHARGES = '/v1/merchants/{merchant}/charges'
const AT_CHARGES = '/paths/~1v1~1merchants~1{merchant}~1charges/post'

t.test('a validator of other people finds nothing wrong, and in a broken copy names what is', async (t) => {
  t.same(await openApiFaults(document), [])
  const faults = async (spoil: (copy: Spoilt) => unknown): Promise<string> => {
    const copy = JSON.parse(JSON.stringify(document)) as Spoilt
    spoil(copy)
    return (await openApiFaults(copy)).join('\n')
  }
  t.match(await faults(({ info }) => delete info.title), "/info must have required property 'title'")
  t.match(
    await faults(({ paths }) => (paths['v1/charges'] = {})),
    '/paths must NOT have unevaluated properties {"unevaluatedProperty":"v1/charges"}',
  )
  t.match(
    await faults(({ paths }) => ((paths[CHARGES]?.['post']?.parameters?.[0] ?? { in: '' }).in = 'body')),
    `${AT_CHARGES}/parameters/0/in must be equal to one of the allowed values`,
  )
  t.match(
    await faults(({ paths }) => ((paths[CHARGES]?.['post']?.responses ?? {})['409'] = {})),
    `${AT_CHARGES}/responses/409 must have required property 'description'`,
  )
  t.match(
    await faults(({ components }) => (components.securitySchemes.certificate.type = 'certificate')),
    '/components/securitySchemes/certificate/type must be equal to one of the allowed values',
  )
  t.equal(
    await faults(({ components }) => delete components.schemas['problem']),
    "Can't resolve #/components/schemas/problem",
  )
})

t.test('every reference leads somewhere, every schema is sound, and every problem is named', (t) => {
  const text = JSON.stringify(document)
  for (const [, name = ''] of text.matchAll(/"\$ref":"#\/components\/schemas\/(\w+)"/g))
    t.ok(Object.hasOwn(SHAPES, name))
  const ajv = new Ajv2020({ strict: true, allowUnionTypes: true })
  for (const shape of Object.values(SHAPES)) ajv.compile(shape)
  const described = operations
    .flatMap(({ operation }) => Object.values(operation.responses).map(({ description }) => description))
    .join(' ')
  const beforeAnyRoute = ['not_found', 'request_timeout', 'headers_too_large', 'busy']
  for (const code of Object.keys(PROBLEMS)) {
    if (!beforeAnyRoute.includes(code)) t.match(described, `${code}: `)
  }
  t.end()
})

t.test('a path that is not exactly one of ours is nowhere', (t) => {
  const token = 'tok_abcdefghijklmnopqrst0_1111'
  t.match(findRoute('GET', `/v1/merchants/shop/tokens/${token}`), { parameters: { merchant: 'shop', token } })
  for (const path of [
    '/',
    '/v1/health/',
    '/v1/health?x=1',
    '/v1//health',
    '/v1/merchants/Shop/charges',
    '/v1/merchants/shop/tokens/4111111111111111',
    `/v1/merchants/../tokens/${token}`,
  ]) {
    t.equal(findRoute('GET', path), null)
  }
  t.equal(findRoute('PUT', '/v1/health'), null)
  t.end()
})

t.test('real answers are as the document says, and it is served', async (t) => {
  const site = await openApi(t)
  const ajv = new Ajv2020({ strict: true, allowUnionTypes: true })
  const fits = (name: keyof typeof SHAPES, value: unknown): void => {
    const validate = ajv.compile(SHAPES[name])
    t.ok(validate(value), `${name}: ${JSON.stringify(validate.errors)}`)
  }
  const token = tokenOf(await site.vault.tokenize(testCard({ expiry: '0931' })))
  const shop = '/v1/merchants/shop'
  const purpose = 'refund by letter'
  t.same((await site.as('bob', '/v1/openapi.json')).json, JSON.parse(JSON.stringify(document)))
  fits('health', (await site.as('bob', '/v1/health')).json)
  fits('metadata', (await site.as('billing', `${shop}/tokens/${token}`)).json)
  fits('card', (await site.as('ann', `${shop}/detokenizations`, { key: newKey(), body: { token, purpose } })).json)
  const bulk = (
    await site.as('ann', `${shop}/bulk-detokenizations`, { key: newKey(), body: { tokens: [token], purpose } })
  ).json
  fits('bulk', bulk)
  const path = `${shop}/bulk-detokenizations/${String(bulk?.['bulkId'])}`
  fits('bulk', (await site.as('bob', `${path}/approval`, { method: 'POST', key: newKey() })).json)
  fits('bulkCards', (await site.as('ann', `${path}/cards`, { method: 'POST', key: newKey() })).json)
  const problem = await site.as('billing', '/nowhere')
  fits('problem', problem.json)
  t.match(problem.headers, { 'content-type': 'application/problem+json' })
})

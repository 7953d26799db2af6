import Ajv2020 from 'ajv/dist/2020.js'
import t from 'tap'
import { openApiFaults } from '../fakes/openapi-faults.ts'
import { callOf, fieldOf, makeDeskBench, paymentOf, startFakeSbc } from './fake-sbc.ts'
import { problemBody } from '../../src/desk/problem.ts'
import { callViewShape } from '../../src/wire/call-protocol.ts'

type Operation = {
  readonly summary?: string
  readonly parameters?: readonly { readonly name: string; readonly in: string; readonly schema: object }[]
  readonly requestBody?: { readonly content: Readonly<Record<string, { readonly schema: object }>> }
  readonly responses: Readonly<
    Record<
      string,
      { readonly description: string; readonly content?: Readonly<Record<string, { readonly schema: object }>> }
    >
  >
}
type Document = {
  readonly openapi: string
  readonly info: { readonly title: string; readonly version: string }
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>
  readonly security: readonly object[]
}

const token = 'tok_qhzkvbwmxrtyplncdsfg7_1111'
const number = fieldOf('card-number', { state: 'accepted', entered: 16, brand: 'visa', lastFour: '1111' })
const calls = [
  callOf('a'),
  callOf('b', { payment: paymentOf({ state: 'closed', token, lastFour: '1111', brand: 'visa', fields: [number] }) }),
  callOf('c', { state: 'ended', endedAtMs: Date.now(), payment: paymentOf({ failure: 'sbc_lost', state: 'closed' }) }),
]
const bench = makeDeskBench()
const sbc = await startFakeSbc(bench.certificates)
sbc.calls = calls
const desk = await bench.startDesk({ sbcPort: sbc.port })
t.teardown(async () => {
  await desk.close()
  await sbc.close()
  bench.remove()
})
const document = (await (await fetch(`${desk.address}api/v1/openapi.json`)).json()) as Document
const ajv = new Ajv2020.default({ strict: true, allowUnionTypes: true })

const schemaOf = (path: string, method: string, status: string, type = 'application/json') => {
  const schema = document.paths[path]?.[method]?.responses[status]?.content?.[type]?.schema
  if (schema === undefined) throw new Error('the document has no such answer')
  return ajv.compile(schema)
}

t.test('the document has every route, and each says what it takes, gives and refuses', (t) => {
  t.equal(document.openapi, '3.1.0')
  t.same(
    Object.entries(document.paths)
      .flatMap(([path, methods]) => Object.keys(methods).map((method) => `${method} ${path}`))
      .sort(),
    [
      'delete /api/v1/calls/{callId}/window',
      'delete /api/v1/session',
      'get /api/v1/calls',
      'get /api/v1/calls/{callId}',
      'get /api/v1/calls/{callId}/events',
      'get /api/v1/calls/{callId}/window',
      'get /api/v1/events',
      'post /api/v1/calls/{callId}/window/clear',
      'post /api/v1/calls/{callId}/windows',
      'post /api/v1/session',
      'post /api/v1/session/renewal',
    ],
  )
  t.same(document.security, [{ bearer: [] }])
  for (const [path, methods] of Object.entries(document.paths)) {
    for (const [method, operation] of Object.entries(methods)) {
      t.ok(operation.summary, `${method} ${path} has a summary`)
      const declared = (operation.parameters ?? []).filter((each) => each.in === 'path').map(({ name }) => `{${name}}`)
      t.same(path.match(/\{\w+\}/g) ?? [], declared, `${method} ${path} declares its parameters`)
      t.ok(Object.keys(operation.responses).some((status) => status.startsWith('2')))
      t.ok(operation.responses['401'], `${method} ${path} can refuse a token`)
      for (const response of Object.values(operation.responses)) {
        t.type(response.description, 'string')
        for (const { schema } of Object.values(response.content ?? {})) t.ok(ajv.compile(schema))
      }
      for (const { schema } of Object.values(operation.requestBody?.content ?? {})) t.ok(ajv.compile(schema))
    }
  }
  t.end()
})

t.test(
  'a validator of other people finds nothing wrong in the document, and what is wrong in a broken one',
  async (t) => {
    t.same(await openApiFaults(document), [])
    t.same(await openApiFaults({ ...document, security: 'bearer' }), ['/security must be array {"type":"array"}'])
  },
)

t.test('what the desk answers is what the document says, and what the wire allows', async (t) => {
  const ask = async (path: string): Promise<unknown> => {
    const headers = { authorization: `Bearer ${bench.tokens.alice}` }
    return (await fetch(`${desk.address}api/v1${path}`, { headers })).json()
  }
  const list = schemaOf('/api/v1/calls', 'get', '200')
  t.ok(list(await ask('/calls')), JSON.stringify(list.errors))
  for (const { callId } of calls) {
    const one = schemaOf('/api/v1/calls/{callId}', 'get', '200')
    const call = await ask(`/calls/${callId}`)
    t.ok(one(call), JSON.stringify(one.errors))
    t.ok(callViewShape(call))
  }
  const window = schemaOf('/api/v1/calls/{callId}/window', 'get', '200')
  t.ok(window(await ask(`/calls/${'b'.repeat(20)}/window`)), JSON.stringify(window.errors))
  const problem = schemaOf('/api/v1/calls', 'get', '401', 'application/problem+json')
  t.ok(problem(problemBody('token_refused')))
})

t.test('no schema has room for a card number', (t) => {
  const schema = schemaOf('/api/v1/calls/{callId}/window', 'get', '200')
  const window = paymentOf({ state: 'closed', token, lastFour: '1111', brand: 'visa', fields: [number] })
  t.ok(schema(window))
  const card = '4111111111111111'
  t.notOk(schema({ ...window, lastFour: card }))
  t.notOk(schema({ ...window, token: card }))
  t.notOk(schema({ ...window, token: `tok_${card}${'a'.repeat(4)}1_1111` }))
  t.notOk(schema({ ...window, pan: card }))
  t.notOk(schema({ ...window, windowId: card }))
  t.notOk(schema({ ...window, openMs: Number(card) }))
  t.notOk(schema({ ...window, fields: [{ ...number, entered: Number(card) }] }))
  t.end()
})

import t from 'tap'
import { allowListed, createLogger, errorFields } from '../../src/kit/log.ts'

t.test('only allow-listed scalar fields reach the line', (t) => {
  t.same(allowListed({ port: 5060, pan: 'x', code: 'refused', state: { nested: true } }), {
    port: 5060,
    code: 'refused',
  })
  t.end()
})

t.test('a value that looks like a card number is withheld whatever the field is called', (t) => {
  t.same(allowListed({ agent: '4111 1111-1111.1111', count: 4111111111111111 }), {
    agent: '[withheld]',
    count: '[withheld]',
  })
  t.end()
})

t.test('a foreign error gives its name and code, never its message', (t) => {
  const error = Object.assign(new TypeError('4111111111111111 is not a port'), { code: 'ERR_X' })
  t.same(errorFields(error), { errorName: 'TypeError', errorCode: 'ERR_X' })
  t.same(errorFields('text'), { errorName: 'string' })
  t.end()
})

t.test('a line carries role, text and the fields', (t) => {
  const lines: string[] = []
  createLogger({ role: 'guard', level: 'info', stream: { write: (line) => lines.push(line) } }).info(
    { entered: 7 },
    'key accepted',
  )
  const [first] = lines
  t.match(JSON.parse(first ?? ''), { role: 'guard', entered: 7, msg: 'key accepted' })
  t.end()
})

import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { problemLine, readConfigurationFile, type ConfigurationProblem } from '../../src/kit/configuration-file.ts'
import { seededRandom } from '../fakes/seeded-random.ts'

const SCHEMA = {
  type: 'object',
  additionalProperties: false,
  required: ['port'],
  properties: {
    port: { type: 'integer', minimum: 1, maximum: 65535 },
    mode: { enum: ['soft', 'hard'] },
    names: { type: 'array', items: { type: 'string', pattern: '^[a-z]+$', 'x-cure': 'use small letters' } },
  },
}

function read(t: Test, text: string | Buffer): ReturnType<typeof readConfigurationFile> {
  const file = join(t.testdir(), 'site.yaml')
  writeFileSync(file, text)
  return readConfigurationFile({ file, schema: SCHEMA })
}

function problems(t: Test, text: string | Buffer): readonly ConfigurationProblem[] {
  const outcome = read(t, text)
  return outcome.kind === 'refused' ? outcome.problems : []
}

t.test('a file that fits is read', (t) => {
  t.match(read(t, 'port: 5060\nnames: [a, b]\n'), { kind: 'read', value: { port: 5060, names: ['a', 'b'] } })
  t.end()
})

t.test('each problem names line, column, key and cure', (t) => {
  t.same(problems(t, '# one\nport: 70000\nnames:\n  - good\n  - BAD\ncolour: red\nmode: loud\n'), [
    { line: 6, column: 1, key: 'colour', problem: 'is not a known key', cure: 'known here: port, mode, names' },
    { line: 2, column: 1, key: 'port', problem: 'is too large', cure: 'use a number <= 65535' },
    { line: 7, column: 1, key: 'mode', problem: 'has a value that is not known', cure: 'use one of: soft,hard' },
    { line: 5, column: 5, key: 'names[1]', problem: 'does not fit', cure: 'use small letters' },
  ])
  t.end()
})

t.test('a missing key is shown where it should be', (t) => {
  t.match(problems(t, 'mode: soft\n'), [{ line: 1, column: 1, key: 'port', problem: 'is missing' }])
  t.end()
})

t.test('YAML that cannot be read is shown with its place and without its words', (t) => {
  const secret = 'hunterhunter'
  for (const text of [
    `port: [${secret}\n`,
    `port: 1\nport: ${secret}\n`,
    `port: !own ${secret}\n`,
    `a: *${secret}\n`,
    `port: 1\n---\n${secret}\n`,
    `port:\n\t${secret}: 1\n`,
  ]) {
    const found = problems(t, text)
    t.ok(found.length > 0, 'is refused')
    t.ok((found[0]?.line ?? 0) >= 1, 'has a line')
    t.notMatch(JSON.stringify(found), secret)
  }
  t.end()
})

t.test('aliases that multiply are refused', (t) => {
  const bomb = ['a: &a [x,x,x,x,x,x,x,x,x]']
  for (const [name, before] of ['ba', 'cb', 'dc', 'ed', 'fe', 'gf', 'hg'].map((pair) => pair.split('')))
    bomb.push(
      `${name ?? ''}: &${name ?? ''} [${Array(9)
        .fill(`*${before ?? ''}`)
        .join(',')}]`,
    )
  t.match(problems(t, bomb.join('\n')), [{ problem: 'has too many aliases' }])
  t.end()
})

t.test('a file that is missing, too large or no text is refused as a whole', (t) => {
  const missing = readConfigurationFile({ file: join(t.testdir(), 'none.yaml'), schema: SCHEMA })
  t.match(missing, { kind: 'refused', problems: [{ line: 0, key: '(file)', problem: 'cannot be read' }] })
  t.match(problems(t, `port: 1 #${'x'.repeat(300_000)}`), [{ problem: 'is too large' }])
  t.match(problems(t, Buffer.from([0xff, 0xfe, 0x41])), [{ problem: 'is not a text in UTF-8' }])
  t.end()
})

t.test('early checks speak before the schema', (t) => {
  const file = join(t.testdir({ 'site.yaml': 'pin: 1\n' }), 'site.yaml')
  const outcome = readConfigurationFile({
    file,
    schema: SCHEMA,
    early: (_value, problemAt) => [problemAt(['pin'], { problem: 'no', cure: 'take it out' })],
  })
  t.match(outcome, { kind: 'refused', problems: [{ line: 1, column: 1, key: 'pin', problem: 'no' }] })
  t.equal(outcome.kind === 'refused' && outcome.problems.length, 1)
  t.end()
})

t.test('a problem is written as editors understand it', (t) => {
  const problem = { line: 3, column: 5, key: 'desk.port', problem: 'is too large', cure: 'use less' }
  t.equal(problemLine('site.yaml', problem), 'site.yaml:3:5 desk.port: is too large; use less')
  t.end()
})

t.test('no text makes the reader throw', (t) => {
  const chance = seededRandom(20261122)
  const pieces = [
    'port',
    ':',
    ' ',
    '\n',
    '- ',
    '[',
    ']',
    '{',
    '}',
    '&a ',
    '*a',
    '!!x ',
    '"',
    "'",
    '|',
    '>',
    '#',
    '0x',
    '\t',
    '? ',
    '---',
    '~',
    '<<',
  ]
  const file = join(t.testdir(), 'site.yaml')
  for (let round = 0; round < 400; round += 1) {
    const length = 1 + chance.below(24)
    writeFileSync(file, Array.from({ length }, () => pieces[chance.below(pieces.length)]).join(''))
    const outcome = readConfigurationFile({ file, schema: SCHEMA })
    if (outcome.kind === 'refused' && outcome.problems.length === 0) t.fail('refused without a reason')
  }
  t.end()
})

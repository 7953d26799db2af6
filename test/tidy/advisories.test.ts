import { chmodSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { adviceIn, askForAdvisories } from './advisories.ts'

const report = (vulnerabilities: unknown): string => JSON.stringify({ auditReportVersion: 2, vulnerabilities })

t.test('high and critical advisories are serious, and so is a level that nobody knows', (t) => {
  t.same(adviceIn(report({})), { kind: 'answered', serious: [], lesser: 0 })
  const found = {
    a: { severity: 'low' },
    b: { severity: 'high' },
    c: { severity: 'critical' },
    d: { severity: 'moderate' },
    e: { severity: 'new-word' },
    f: 1,
  }
  const serious = ['b: high', 'c: critical', 'e: new-word', 'f: unknown']
  t.same(adviceIn(report(found)), { kind: 'answered', serious, lesser: 2 })
  t.end()
})

t.test('what is no report is no answer', (t) => {
  const refusal = '{"message":"405 Method Not Allowed","statusCode":405}'
  for (const text of ['', 'null', '[]', refusal, report(null), report({}).slice(0, -1)]) {
    t.same(adviceIn(text), { kind: 'unanswered' }, text)
  }
  t.end()
})

/** A program in npm's place. */
function program(t: Test, script: string): { readonly folder: string; readonly program: string } {
  const folder = t.testdir({})
  const file = join(folder, 'npm')
  writeFileSync(file, `#!/bin/sh\n${script}\n`)
  chmodSync(file, 0o700)
  return { folder, program: file }
}

t.test(
  'npm is asked about what is delivered; that it exits with 1 is its way to say that it found something',
  async (t) => {
    const found = report({ b: { severity: 'high' } })
    const asked = program(t, `case "$*" in *--omit=dev*) echo '${found}';; esac; exit 1`)
    t.same(await askForAdvisories(asked), { kind: 'answered', serious: ['b: high'], lesser: 0 })
  },
)

t.test('a registry that does not answer, or hangs, and a missing npm hold nothing up', async (t) => {
  t.same(await askForAdvisories(program(t, 'exit 1')), { kind: 'unanswered' })
  t.same(await askForAdvisories({ ...program(t, 'exec sleep 600'), msMax: 200 }), { kind: 'unanswered' })
  t.same(await askForAdvisories({ folder: t.testdir({}), program: '/nowhere/npm' }), { kind: 'unanswered' })
})

import t from 'tap'
import { compareRequirements, CONTROLS } from '../../../src/main/evidence/controls/control-map.ts'
import { readTracked, trackedFiles } from '../../fakes/tracked-files.ts'

const files = new Set(trackedFiles())

t.test('each file that is named as a proof is there', (t) => {
  for (const { requirement, proof } of CONTROLS) {
    t.same(
      proof.filter((file) => !files.has(file)),
      [],
      requirement,
    )
  }
  t.end()
})

t.test('each requirement stands once, in order, with a way to meet it and a proof, or with whose it is', (t) => {
  const numbers = CONTROLS.map(({ requirement }) => requirement)
  t.same(numbers, [...new Set(numbers)].toSorted(compareRequirements))
  for (const { requirement, title, how, proof, operator } of CONTROLS) {
    t.match(requirement, /^([1-9]|1[0-2])(\.\d{1,2}){2,3}$/)
    t.ok(title.length > 10 && title.length < 120, requirement)
    t.equal(how === '', proof.length === 0, `${requirement}: what is said is proved`)
    t.ok(how !== '' || operator !== '', requirement)
  }
  t.ok(compareRequirements('3.3.2', '3.10.1') < 0)
  t.end()
})

t.test('each requirement that the source claims is in the map', (t) => {
  const claimed = new Map<string, string>()
  for (const file of trackedFiles('src').filter(
    (name) => /\.(ts|mjs|md)$/.test(name) && !name.includes('/evidence/'),
  )) {
    for (const requirement of claims(readTracked(file))) claimed.set(requirement, file)
  }
  t.ok(claimed.size > 10)
  const mapped = new Set(CONTROLS.map(({ requirement }) => requirement))
  for (const [requirement, file] of claimed) t.ok(mapped.has(requirement), `${requirement}, named in ${file}`)
  t.end()
})

t.test('a claim is read however it is written', (t) => {
  t.same(claims('* (PCI DSS 4.2.1 for the card, 8.3.2 for the password) 1.2.3'), ['4.2.1', '8.3.2'])
  t.same(claims('RFC 8996 and PCI DSS 4.0 requirement 2.2.7: nothing older'), ['2.2.7'])
  t.same(claims('PCI DSS v4.0.1 (3.5.1.1)'), ['3.5.1.1'])
  t.same(claims('(PCI DSS 7.2.2, 10.3.2). Version 1.2.3'), ['7.2.2', '10.3.2'])
  t.end()
})

/** Requirements that a text names: numbers behind `PCI DSS` up to the end of the sentence, without the standard's version. */
function claims(text: string): readonly string[] {
  return [...text.matchAll(/PCI DSS(?: v?4\.0(?:\.1)?)?((?:(?!\. |[;)*])[^]){0,60})/g)].flatMap(
    ([, rest = '']) => rest.match(/(?<![\d.])\d{1,2}(?:\.\d{1,2}){2,3}(?![\d.]*\d)/g) ?? [],
  )
}

import { randomBytes } from 'node:crypto'
import t from 'tap'
import { combine } from 'shamir-secret-sharing'
import { readShare, SHARE_BYTES, shareDigest, writeShare } from '../../../src/cde/vault/custodian-share.ts'
import { custodiesOf, Custody, makeCustody } from '../../../src/cde/vault/custody.ts'

const CONTEXT = Buffer.from('context')
const KEY = Buffer.alloc(32, 7)

t.test('any two of three shares are the key; one, or two of other keys, are not', async (t) => {
  const { rows, shares } = await makeCustody({ shares: 3, threshold: 2, nowMs: 1 })
  t.equal(rows.length, 3)
  t.match(rows, [{ share: 1, threshold: 2 }, { share: 2 }, { share: 3, kekId: rows[0]?.kekId }])
  const wrapped: Uint8Array[] = []
  for (const [one, two] of [
    [0, 1],
    [1, 2],
    [2, 0],
  ]) {
    const custody = new Custody(rows)
    await t.rejects(custody.kek.wrap(KEY, CONTEXT), { code: 'kek_sealed' })
    await t.rejects(custody.kek.unwrap(KEY, CONTEXT), { code: 'kek_sealed' })
    t.match(await custody.give(shares[one ?? 0] ?? KEY), { kind: 'taken' })
    t.equal(custody.kek.isSealed, true)
    t.match(await custody.give(shares[two ?? 0] ?? KEY), { kind: 'opened' })
    t.match(custody, { given: 0, threshold: 2 })
    for (const sealed of wrapped) t.same(await custody.kek.unwrap(sealed, CONTEXT), KEY, 'the same key each time')
    wrapped.push(await custody.kek.wrap(KEY, CONTEXT))
    custody.kek.close()
    custody.kek.close()
    t.equal(custody.kek.isSealed, true)
  }
  const other = await makeCustody({ shares: 2, threshold: 2, nowMs: 1 })
  const custody = new Custody(rows)
  t.match(await custody.give(other.shares[0] ?? KEY), { kind: 'refused', code: 'share_wrong' })
  t.match(await custody.give(randomBytes(4)), { kind: 'refused', code: 'share_wrong' })
  await custody.give(shares[0] ?? KEY)
  t.match(await custody.give(shares[0] ?? KEY), { kind: 'refused', code: 'share_repeated' })
})

t.test('shares are of full length, and each alone says nothing: every key fits to it', async (t) => {
  const { shares } = await makeCustody({ shares: 5, threshold: 3, nowMs: 1 })
  for (const share of shares) t.equal(share.length, SHARE_BYTES)
  t.equal(new Set(shares.map((share) => share.toString('hex'))).size, 5)
  const [one, two, three] = shares.map((share) => Uint8Array.from(share))
  if (three === undefined || one === undefined || two === undefined) throw new Error('there must be two')
  const ofTwo = await combine([one, two])
  const ofThree = await combine([one, two, three])
  t.notSame(ofTwo, ofThree, 'one less than the threshold is another key')
})

t.test('a share that is written is read again, however it was typed; a slip is noticed', (t) => {
  for (let round = 0; round < 50; round += 1) {
    const share = randomBytes(SHARE_BYTES)
    const text = writeShare(share).toString()
    t.same(readShare(Buffer.from(text)), share)
    if (round > 0) continue
    t.match(text, /^[0-9A-HJKMNP-TV-Z]{4}(-[0-9A-HJKMNP-TV-Z]{4}){13}$/)
    t.same(readShare(Buffer.from(`  ${text.toLowerCase().replaceAll('-', ' ')}\r\n`)), share)
    t.same(readShare(Buffer.from(text.replaceAll('0', 'o').replaceAll('1', 'L'))), share)
    for (const bad of ['', text.slice(1), `${text}0`, text.replace(/^./, 'U'), '!'.repeat(56), 'a'.repeat(300)]) {
      t.equal(readShare(Buffer.from(bad)), null)
    }
    const slipped = `${text.slice(0, 10)}${text[10] === 'A' ? 'B' : 'A'}${text.slice(11)}`
    t.equal(readShare(Buffer.from(slipped)), null)
  }
  t.not(shareDigest(Buffer.alloc(33)).toString('hex'), shareDigest(Buffer.alloc(33, 1)).toString('hex'))
  t.end()
})

t.test('the newest custody is today’s; an older one is needed while it has wrapped a key', async (t) => {
  const [old, unused, newest] = [1, 2, 3].map((nowMs) => makeCustody({ shares: 2, threshold: 2, nowMs }))
  const rows = [...((await newest)?.rows ?? []), ...((await old)?.rows ?? []), ...((await unused)?.rows ?? [])]
  const idOf = async (custody: typeof old) => (await custody)?.rows[0]?.kekId ?? ''
  const kekIds = new Set([await idOf(old), 'file-1'])
  const now = custodiesOf(rows, { isCurrent: true, kekIds })
  t.equal(now.current?.kek.id, await idOf(newest))
  t.same(
    now.former.map(({ kek }) => kek.id),
    [await idOf(old)],
  )
  t.equal(custodiesOf(rows, { isCurrent: false, kekIds }).current, null)
  t.same(custodiesOf([], { isCurrent: true, kekIds }), { current: null, former: [] })
})

import t from 'tap'
import type { Page } from 'playwright-core'
import { FAILURES, PAYER_SILENT, PROBLEMS } from '../../../src/desk/page/sentences.ts'
import type { PaymentFailure } from '../../../src/wire/call-protocol.ts'
import type { Problem } from '../../../src/wire/window-progress.ts'
import { callOf, fieldOf, makeDeskBench, paymentOf, startFakeSbc } from '../fake-sbc.ts'
import { allText, launchBrowser, startLine, until } from '../page-bench.ts'

const TOKEN = 'tok_qhzkvbwmxrtyplncdsfg7_1111'
const bench = makeDeskBench()
let sbc = await startFakeSbc(bench.certificates)
let desk = await bench.startDesk({ sbcPort: sbc.port })
const browser = await launchBrowser()
const context = await browser.newContext({
  viewport: { width: 1_200, height: 900 },
  permissions: ['clipboard-read', 'clipboard-write'],
})
t.teardown(async () => {
  await browser.close()
  await desk.close()
  await sbc.close()
  bench.remove()
})

const foreign: string[] = []
const errors: string[] = []

async function openPage(address = `${desk.address}#token=${bench.tokens.alice}`): Promise<Page> {
  const page = await context.newPage()
  page.setDefaultTimeout(8_000)
  page.on('request', (request) => {
    if (new URL(request.url()).hostname !== '127.0.0.1') foreign.push(request.url())
  })
  page.on('pageerror', (error) => errors.push(error.message))
  page.on('console', (message) => {
    if (/Content Security Policy|Trusted/.test(message.text())) errors.push(message.text())
  })
  await page.goto(address)
  return page
}

const number = (more: Parameters<typeof fieldOf>[1]) =>
  fieldOf('card-number', { digitsMax: 16, brand: 'visa', ...more })
const tell = (more: Parameters<typeof paymentOf>[0]) =>
  sbc.tell(callOf('a', { startedAtMs: startedAtMs, payment: paymentOf(more) }))
const startedAtMs = Date.now() - 65_000
const headline = (page: Page, text: string) => page.getByRole('heading', { name: text }).waitFor()
const dots = (page: Page, count: number) =>
  until(async () => (await page.locator('.field [data-filled=dot]').count()) === count)
const filled = (page: Page) => page.locator('.field >> nth=0').locator('[data-filled]').count()

t.test('the whole way from no call to the token, with a refused number between', async (t) => {
  const page = await openPage()
  await page.getByText('No call. It will appear here by itself.').waitFor()
  t.equal(page.url(), desk.address, 'the token left the address')

  sbc.tell(callOf('a', { startedAtMs }))
  await headline(page, '+493012345678')
  await page.getByRole('button', { name: 'Take card' }).click()
  await page.getByRole('button', { name: 'Take card', disabled: false }).waitFor()
  await until(() => Promise.resolve(sbc.orders.length === 1))
  t.match(sbc.orders.at(-1), { type: 'window.open', form: 'card', masking: null })

  tell({ state: 'opening', openMs: null })
  await headline(page, 'Do not ask for the card yet')
  t.match(await page.locator('#assertive').textContent(), 'Do not ask for the card yet')
  tell({})
  await headline(page, 'Ask for the card number')
  await page.getByText('Ask the customer to type it on their phone and end with #').waitFor()
  t.equal(await page.getByText('Do not ask').count(), 0)

  for (const entered of [1, 2, 7, 16]) {
    tell({ fields: [number({ state: 'entering', entered }), fieldOf('expiry')] })
    await dots(page, entered)
  }
  await page.getByText('Visa').waitFor()
  tell({ fields: [number({ state: 'refused', entered: 16, problem: 'check_digit', triesLeft: 2 }), fieldOf('expiry')] })
  await headline(page, 'Card number: a digit is wrong')
  await page.locator('q', { hasText: 'One of the digits was not right. Please type the whole card number' }).waitFor()
  t.equal((await page.getByText('2 tries left').count()) > 0, true)
  t.match(await page.locator('#assertive').textContent(), 'Say: One of the digits')

  await page.getByRole('button', { name: 'Clear card number' }).click()
  await until(() => Promise.resolve(sbc.orders.at(-1)?.type === 'window.clear'))
  t.match(sbc.orders.at(-1), { field: 'card-number' })

  const accepted = number({ state: 'accepted', entered: 16, lastFour: '1111', triesLeft: 2 })
  tell({ fields: [accepted, fieldOf('expiry')], brand: 'visa' })
  await headline(page, 'Ask for the expiry date')
  t.equal(await page.locator('.field >> nth=0').locator('[data-filled=dot]').count(), 12)
  t.same(await page.locator('.field >> nth=0').locator('[data-filled=digit]').allTextContents(), ['1', '1', '1', '1'])
  t.match(await page.locator('#polite').textContent(), 'Card number: accepted, Visa, ending in 1 1 1 1.')

  const done = { fields: [accepted, fieldOf('expiry', { state: 'accepted', entered: 4 })], brand: 'visa' } as const
  tell({ ...done, state: 'storing' })
  await headline(page, 'Storing the card')
  tell({ ...done, state: 'closed', token: TOKEN, lastFour: '1111' })
  await headline(page, 'The card is stored')
  await page.getByText('Visa •••• 1111').waitFor()
  await page.getByRole('button', { name: 'Copy token' }).click()
  await page.getByRole('button', { name: 'Copied' }).waitFor()
  t.equal(await page.evaluate('navigator.clipboard.readText()'), TOKEN)

  const html = (await allText(page)).replaceAll(TOKEN, '').replaceAll(/\+49\d+/g, '')
  t.notMatch(
    html.replaceAll(/\d+(?=px|rem|%)/g, ''),
    /\d(?:\D{0,2}\d){4}/,
    'never more than four digits near each other',
  )
  await page.close()
})

t.test('every failure and every problem has a sentence, and the page can try again', async (t) => {
  const page = await openPage()
  tell({ state: 'held', failure: 'guard_lost', fields: [number({ state: 'entering', entered: 9 })] })
  await headline(page, 'The capture broke off')
  await page.getByText('The customer stays masked.').waitFor()
  t.equal(await page.getByRole('button', { name: 'Take card' }).count(), 0, 'no new window while it is held')
  tell({ state: 'closed', failure: 'tries_exhausted' })
  await headline(page, 'No tries left')
  sbc.answer = () => ({ type: 'refused', code: 'not_proven' })
  await page.getByRole('button', { name: 'Try again' }).click()
  await page.getByText('The line could not be secured. Do not ask for the card; try again.').first().waitFor()
  sbc.answer = () => ({ type: 'done', callId: 'a'.repeat(20), windowId: 'w'.repeat(16) })
  await page.close()
})

t.test('nothing jumps, whatever happens and whatever there is to say', async (t) => {
  const page = await openPage()
  tell({})
  await headline(page, 'Ask for the card number')
  const placeOf = async (selector: string) => {
    const box = await page.locator(selector).boundingBox()
    return [box?.x, box?.y]
  }
  const places = async () => [await placeOf('.instruction'), await placeOf('.actions'), await placeOf('.fields')]
  const usual = await places()
  const fields = [number({ state: 'accepted', entered: 16, lastFour: '1111' }), fieldOf('expiry')]
  for (const problem of Object.keys(PROBLEMS) as Problem[]) {
    tell({ fields: [number({ state: 'refused', entered: 16, problem }), fieldOf('expiry')] })
    await page.locator(`[data-problem=${problem}]`).waitFor()
    await page.locator('q', { hasText: PROBLEMS[problem].say }).waitFor()
    t.same(await places(), usual, problem)
  }
  for (const failure of Object.keys(FAILURES) as PaymentFailure[]) {
    if (failure === 'cancelled') continue
    tell({ state: 'held', failure, fields })
    await headline(page, FAILURES[failure].headline)
    t.same(await places(), usual, failure)
  }
  tell({ payerSilent: true })
  const noSound = page.locator('.note', { hasText: PAYER_SILENT })
  await noSound.waitFor()
  t.same(await places(), usual, 'no sound')
  tell({})
  await noSound.waitFor({ state: 'detached' })
  for (const state of ['opening', 'storing', 'cooling', 'closed'] as const) {
    tell({
      state,
      fields,
      token: state === 'cooling' || state === 'closed' ? TOKEN : null,
      lastFour: '1111',
      brand: 'visa',
    })
    await headline(page, { opening: 'Do not ask', storing: 'Storing', cooling: 'stored', closed: 'stored' }[state])
    t.same(await places(), usual, state)
  }
  await page.close()
})

t.test('everything can be done with the keyboard, and focus is never lost', async (t) => {
  const page = await openPage()
  sbc.tell(callOf('a', { startedAtMs, forms: ['card', 'card-only'] }))
  const open = page.getByRole('button', { name: 'Take card' })
  await open.waitFor()
  for (let presses = 0; presses < 12; presses += 1) {
    await page.keyboard.press('Tab')
    if ((await page.locator('.actions .primary:focus-visible').count()) === 1) break
  }
  t.ok((await page.locator('.actions .primary:focus-visible').count()) === 1, 'the button is reached')
  const orders = sbc.orders.length
  await page.keyboard.press('Enter')
  await page.getByRole('button', { name: 'Take card', disabled: false }).waitFor()
  t.equal(sbc.orders.length, orders + 1)
  await open.focus()
  tell({})
  await headline(page, 'Ask for the card number')
  t.equal(await page.evaluate('document.activeElement.id'), 'headline', 'focus went to the instruction')
  await page.keyboard.press('Tab')
  await page.keyboard.press('Enter')
  await until(() => Promise.resolve(sbc.orders.at(-1)?.type === 'window.cancel'))
  t.pass('cancelled')
  await page.close()
})

t.test('a desk that dies is told within three seconds, and the page catches up by itself', async (t) => {
  const page = await openPage()
  tell({ fields: [number({ state: 'entering', entered: 3 })] })
  await dots(page, 3)
  const port = Number(new URL(desk.address).port)
  const lostAtMs = performance.now()
  await desk.close()
  await page.getByText('Reconnecting… The customer stays masked.').waitFor()
  t.ok(performance.now() - lostAtMs < 3_000, 'in time')
  t.equal(await filled(page), 3, 'what was known stays in sight')
  tell({ fields: [number({ state: 'entering', entered: 8 })] })
  desk = await bench.startDesk({ sbcPort: sbc.port, port })
  await dots(page, 8)
  await page.getByText('Connected').waitFor()
  tell({ fields: [number({ state: 'entering', entered: 9 })] })
  await dots(page, 9)
  await page.close()
})

t.test('a connection that only falls silent is noticed within three seconds too', async (t) => {
  const line = await startLine(Number(new URL(desk.address).port))
  const address = `http://127.0.0.1:${line.port}/`
  const page = await openPage(`${address}#token=${bench.tokens.alice}`)
  await page.getByText('Connected').waitFor()
  const silentAtMs = performance.now()
  line.freeze()
  await page.getByText('Reconnecting… The customer stays masked.').waitFor()
  t.ok(performance.now() - silentAtMs < 3_000, 'in time')
  line.thaw()
  await page.getByText('Connected').waitFor()
  await page.close()
  await line.close()
})

t.test('fifteen minutes without input end the session, after a warning', async (t) => {
  const page = await context.newPage()
  await page.clock.install()
  await page.goto(`${desk.address}#token=${bench.tokens.alice}`)
  await page.getByText('Connected').waitFor()
  await page.clock.fastForward('14:01')
  await page.getByText('You will be signed out in a minute.').waitFor()
  await page.keyboard.press('Shift')
  await page.getByText('Connected').waitFor()
  await page.clock.fastForward('15:01')
  await page.getByText('You were signed out after 15 minutes without input.').waitFor()
  t.equal(await page.evaluate('sessionStorage.length'), 0)
  await page.close()
})

t.test('a lost sbc is told within three seconds, and what it means', async (t) => {
  const page = await openPage()
  await headline(page, 'Ask for the card number')
  const { port, calls } = sbc
  const lostAtMs = performance.now()
  await sbc.close()
  await page.getByText('The call control does not answer. The customer stays masked').waitFor()
  t.ok(performance.now() - lostAtMs < 3_000, 'in time')
  t.equal(await page.getByRole('button', { name: 'Cancel' }).isDisabled(), true)
  sbc = await startFakeSbc(bench.certificates, port)
  await headline(page, 'The call control failed before the card was complete')
  t.ok(calls.length > 0)
  await page.close()
})

t.test('an unknown token is refused in words, and a session lasts over a reload until signing out', async (t) => {
  const page = await openPage(`${desk.address}#token=unknown-token-of-nobody`)
  await page.getByText('This token is not known.').waitFor()
  await page.getByLabel('Your token').fill(bench.tokens.bob)
  await page.getByRole('button', { name: 'Sign in' }).click()
  await page.getByText('bob').waitFor()
  const kept = String(
    await page.evaluate('JSON.stringify([...Object.entries(sessionStorage), ...Object.entries(localStorage)])'),
  )
  t.notMatch(kept, bench.tokens.bob, 'the agent’s own token is not kept')
  await page.reload()
  await page.getByText('bob').waitFor()
  await page.getByRole('button', { name: 'Sign out' }).click()
  await page.getByText('You are signed out.').waitFor()
  await page.reload()
  await page.getByLabel('Your token').waitFor()
  await page.close()
})

t.test('the page asked nobody but the desk, and nothing on it failed', (t) => {
  t.same(foreign, [])
  t.same(errors, [])
  t.end()
})

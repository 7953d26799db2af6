import type { CallView } from '../../wire/call-protocol.ts'
import { announcementOf } from './announcement.ts'
import { announce } from './announcer.ts'
import { callApi, type ApiAnswer } from './api.ts'
import { callHead, callList } from './call-panel.ts'
import { element } from './element.ts'
import type { StreamEvent } from './event-parser.ts'
import { EventReader } from './event-reader.ts'
import { watchIdle } from './idle.ts'
import { FIRST_MODEL, shownCall, step, type PageInput, type PageModel } from './model.ts'
import { paymentPanel } from './payment-panel.ts'
import { orderRefused } from './sentences.ts'
import { sessionStore, takeTokenFromAddress } from './session-store.ts'
import { signIn } from './sign-in.ts'
import { statusLine } from './status-line.ts'

/** The page: signs in, then shows calls until the session ends. This file alone ties the parts together. */

type SessionAnswer = {
  readonly token: string
  readonly agent: string
  readonly role: 'agent' | 'all'
  readonly idleMs: number
}

const CLOCK_EVERY_MS = 1_000
const page = document.getElementById('page') ?? document.body

async function start(): Promise<void> {
  const token = takeTokenFromAddress()
  const session = sessionStore.read()
  if (token !== null) await signInWith(token)
  else if (session !== null) await goOnWith(session)
  else showSignIn('')
}

function showSignIn(message: string): void {
  document.title = 'Tonewall: sign in'
  const form = signIn((token) => {
    form.update({ message: '', busy: true })
    void signInWith(token)
  })
  form.update({ message, busy: false })
  page.replaceChildren(element('main', { class: 'centre' }, form.node))
  document.getElementById('token')?.focus()
}

async function signInWith(token: string): Promise<void> {
  sessionStore.forget()
  const answer = await callApi({ method: 'POST', path: '/session', token })
  if (answer.kind === 'ok') showCalls(answer.body as SessionAnswer)
  else showSignIn(signInRefused(answer))
}

/** After a reload: the session of this tab goes on, if it still can. */
async function goOnWith(token: string): Promise<void> {
  for (;;) {
    const answer = await callApi({ method: 'POST', path: '/session/renewal', token })
    if (answer.kind === 'ok') return showCalls(answer.body as SessionAnswer)
    if (answer.kind === 'problem' && answer.status === 401)
      return showSignIn('Your session is over. Please sign in again.')
    page.replaceChildren(element('main', { class: 'centre' }, element('p', { class: 'empty', text: 'Connecting…' })))
    await new Promise((resolve) => setTimeout(resolve, CLOCK_EVERY_MS))
  }
}

function signInRefused(answer: ApiAnswer): string {
  if (answer.kind !== 'problem') return 'The desk cannot be reached. Please try again.'
  if (answer.code === 'too_many_logins') return 'Too many attempts. Please wait half an hour.'
  return answer.status === 401 ? 'This token is not known. Please check it.' : 'That did not work. Please try again.'
}

function showCalls(session: SessionAnswer): void {
  sessionStore.write(session.token)
  let model: PageModel = FIRST_MODEL
  let signOutSoon = false

  const status = statusLine()
  const head = callHead()
  const payment = paymentPanel({
    open: (form) => order('open', 'POST', '/windows', { form }),
    clear: (field) => order('clear', 'POST', '/window/clear', { field }),
    cancel: () => order('cancel', 'DELETE', '/window'),
    copied: () => announce({ text: 'Token copied.', urgent: false }),
  })
  const list = callList({ show: (callId) => take({ type: 'show', callId }), withAgents: session.role === 'all' })
  const empty = element('p', { class: 'empty' })
  const current = element('article', { class: 'call' }, head.node, payment.node)
  const signOut = element('button', { type: 'button', class: 'quiet', text: 'Sign out' })
  const bar = element(
    'header',
    { class: 'bar' },
    element('span', { class: 'mark', text: 'Tonewall' }),
    status.node,
    element('span', { class: 'who', text: session.agent }),
    signOut,
  )
  page.replaceChildren(
    bar,
    element('main', { class: 'desk' }, element('div', { class: 'stage' }, empty, current), list.node),
  )

  const render = () => {
    const call = shownCall(model)
    document.title = call === null ? 'Tonewall' : `${call.from} · Tonewall`
    status.update({ model, signOutSoon })
    list.update(model)
    empty.hidden = call !== null
    current.hidden = call === null
    empty.textContent = model.connection === 'connecting' ? 'Connecting…' : 'No call. It will appear here by itself.'
    if (call === null) return
    renderTime(call)
    const reachable = model.connection === 'live' && model.sbc === 'up'
    payment.update({ call, reachable, ordering: model.ordering, refused: model.refused })
  }
  const renderTime = (call: CallView) => head.update({ call, nowMs: Date.now() + model.clockOffsetMs })
  const take = (input: PageInput) => {
    const before = model
    model = step(model, input)
    if (model === before) return
    render()
    const words = announcementOf(shownCall(before), shownCall(model))
    if (words !== null) announce(words)
    if (model.refused !== null && model.refused !== before.refused) announce({ text: model.refused, urgent: true })
  }

  const order = (name: 'open' | 'clear' | 'cancel', method: 'POST' | 'DELETE', path: string, body?: object) => {
    const call = shownCall(model)
    if (call === null || model.ordering !== null) return
    take({ type: 'ordered', order: name })
    const request = { method, path: `/calls/${call.callId}${path}`, token: session.token }
    void callApi(body === undefined ? request : { ...request, body }).then((answer) => {
      if (answer.kind === 'problem' && answer.status === 401)
        return leave('Your session is over. Please sign in again.')
      const code = answer.kind === 'ok' ? null : answer.kind === 'problem' ? answer.code : answer.kind
      const stillShown = model.shown === call.callId
      take({ type: 'answered', refused: code === null || !stillShown ? null : orderRefused(code) })
    })
  }

  const reader = new EventReader(() => sessionStore.read(), {
    event: (event) => {
      const input = inputOf(event)
      if (input !== null) take(input)
    },
    connected: () => take({ type: 'connected' }),
    lost: () => take({ type: 'lost' }),
    refused: () => leave('Your session is over. Please sign in again.'),
  })
  const clock = setInterval(() => {
    const call = shownCall(model)
    if (call !== null) renderTime(call)
  }, CLOCK_EVERY_MS)
  const idle = watchIdle({
    idleMs: session.idleMs,
    renew: () => {
      void callApi({ method: 'POST', path: '/session/renewal', token: session.token }).then((answer) => {
        if (answer.kind !== 'ok' || sessionStore.read() === null) return
        session = answer.body as SessionAnswer
        sessionStore.write(session.token)
      })
    },
    warn: (soon) => {
      signOutSoon = soon
      render()
    },
    end: () => leave('You were signed out after 15 minutes without input.'),
  })
  const leave = (message: string) => {
    reader.close()
    idle.close()
    clearInterval(clock)
    sessionStore.forget()
    void callApi({ method: 'DELETE', path: '/session', token: session.token })
    showSignIn(message)
  }
  signOut.addEventListener('click', () => leave('You are signed out.'))
  render()
}

/** The desk is our own: its events are taken as they are typed on the wire. */
function inputOf(event: StreamEvent): PageInput | null {
  const data: unknown = JSON.parse(event.data)
  switch (event.type) {
    case 'snapshot': {
      const { sbc, synced, nowMs, calls } = data as {
        readonly sbc: 'up' | 'down'
        readonly synced: boolean
        readonly nowMs: number
        readonly calls: readonly CallView[]
      }
      return { type: 'snapshot', sbc, synced, clockOffsetMs: nowMs - Date.now(), calls }
    }
    case 'call':
      return { type: 'call', call: data as CallView }
    case 'gone':
      return { type: 'gone', callId: (data as { readonly callId: string }).callId }
    case 'sbc':
      return { type: 'sbc', sbc: (data as { readonly sbc: 'up' | 'down' }).sbc }
  }
  return null
}

void start()

import { element, setAttribute, setText, type Part } from './element.ts'
import { isMasked, shownCall, type PageModel } from './model.ts'
import { connectionInWords } from './sentences.ts'

type StatusState = { readonly model: PageModel; readonly signOutSoon: boolean }

/** One line that is always there, so that nothing moves when it has something to say. */
export function statusLine(): Part<StatusState> {
  const text = element('span', { class: 'status-text', role: 'status' })
  const node = element(
    'div',
    { class: 'status' },
    element('span', { class: 'status-mark', 'aria-hidden': 'true' }),
    text,
  )
  return {
    node,
    update: ({ model, signOutSoon }) => {
      const { connection, sbc } = model
      const words = connectionInWords({ connection, sbc, masked: isMasked(shownCall(model)) })
      const idle = signOutSoon && !words.bad
      setText(text, idle ? 'You will be signed out in a minute. Move the pointer or press a key to stay.' : words.text)
      setAttribute(node, 'data-state', words.bad ? 'bad' : idle ? 'idle' : connection === 'live' ? 'good' : 'quiet')
    },
  }
}

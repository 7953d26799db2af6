import { element, setText, type Part } from './element.ts'

/** Asks for the agent's token. `message` says why, when it is not the first time. */
export function signIn(submit: (token: string) => void): Part<{ readonly message: string; readonly busy: boolean }> {
  const message = element('p', { class: 'sign-in-message', role: 'alert' })
  const input = element('input', {
    type: 'password',
    id: 'token',
    name: 'token',
    autocomplete: 'off',
    spellcheck: 'false',
    maxlength: '512',
    required: '',
  })
  const button = element('button', { type: 'submit', class: 'primary', text: 'Sign in' })
  const form = element(
    'form',
    { class: 'sign-in' },
    element('h1', { text: 'Tonewall' }),
    element('p', { class: 'note', text: 'Take cards by phone without hearing them.' }),
    element('label', { for: 'token', text: 'Your token' }),
    input,
    message,
    button,
  )
  form.addEventListener('submit', (event) => {
    event.preventDefault()
    const token = input.value.trim()
    input.value = ''
    if (token !== '') submit(token)
  })
  return {
    node: form,
    update: (state) => {
      setText(message, state.message)
      button.disabled = state.busy
    },
  }
}

import type { FieldProgress } from '../../wire/window-progress.ts'
import { element, setAttribute, setText, type Part } from './element.ts'
import { BRAND_LABELS, FIELD_LABELS, fieldInWords, triesLeft } from './sentences.ts'

/** A number of unknown brand is drawn with this many places; more appear only when they are needed. */
const USUAL_NUMBER_DIGITS = 16
const LAST_FOUR_DIGITS = 4

type RowState = { readonly field: FieldProgress; readonly current: boolean; readonly canClear: boolean }

/** One field: its name, a place for each digit, what it is or what is wrong, and a button to clear it. */
export function fieldRow(clear: (name: FieldProgress['name']) => void): Part<RowState> {
  const label = element('span', { class: 'field-label' })
  const places = element('span', { class: 'places', role: 'img' })
  const remark = element('span', { class: 'field-remark' })
  const button = element('button', { type: 'button', class: 'quiet', text: 'Clear' })
  const node = element('li', { class: 'field' }, label, places, remark, button)
  let shown: FieldProgress['name'] = 'card-number'
  button.addEventListener('click', () => clear(shown))
  return {
    node,
    update: ({ field, current, canClear }) => {
      shown = field.name
      setText(label, FIELD_LABELS[field.name])
      setAttribute(node, 'data-state', field.state)
      setAttribute(node, 'data-problem', field.problem === null ? null : field.problem)
      setAttribute(node, 'aria-current', current ? 'step' : null)
      setAttribute(button, 'aria-label', `Clear ${FIELD_LABELS[field.name].toLowerCase()}`)
      setAttribute(button, 'data-away', canClear && field.entered > 0 ? null : '')
      setAttribute(places, 'aria-label', fieldInWords(field))
      drawPlaces(places, field)
      setText(remark, remarkOf(field))
    },
  }
}

/** The groups that the digits stand in on a card: 4 4 4 4, 4 6 5 for American Express, month and year, or one. */
export function placeGroups(field: FieldProgress): readonly number[] {
  if (field.name === 'expiry') return [2, 2]
  if (field.name === 'card-code') return [field.digitsMax]
  if (field.brand === 'american-express') return [4, 6, 5]
  const usual = field.digitsMax > USUAL_NUMBER_DIGITS ? USUAL_NUMBER_DIGITS : field.digitsMax
  const digits = field.state === 'accepted' ? field.entered : Math.max(usual, field.entered)
  const groups: number[] = []
  for (let left = digits; left > 0; left -= 4) groups.push(Math.min(4, left))
  return groups
}

function drawPlaces(places: HTMLElement, field: FieldProgress): void {
  const groups = placeGroups(field)
  const total = groups.reduce((sum, size) => sum + size, 0)
  const revealedFrom = field.lastFour === null ? total : total - LAST_FOUR_DIGITS
  while (places.children.length > groups.length) places.lastElementChild?.remove()
  while (places.children.length < groups.length) places.append(element('span', { class: 'group' }))
  let place = 0
  groups.forEach((size, index) => {
    const group = places.children[index]
    if (group === undefined) return
    while (group.children.length > size) group.lastElementChild?.remove()
    while (group.children.length < size) group.append(element('span', { class: 'place' }))
    for (const node of group.children) {
      const revealed = place >= revealedFrom ? (field.lastFour?.charAt(place - revealedFrom) ?? '') : ''
      setText(node, revealed)
      setAttribute(node, 'data-filled', revealed !== '' ? 'digit' : place < field.entered ? 'dot' : null)
      place += 1
    }
  })
}

/** The headline says what is wrong; here stands how often it may still go wrong. */
function remarkOf(field: FieldProgress): string {
  if (field.problem !== null && field.state !== 'accepted') return triesLeft(field)
  if (field.brand !== null) return BRAND_LABELS[field.brand]
  return field.state === 'accepted' ? 'Accepted' : ''
}

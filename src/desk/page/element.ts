/** What an element is made with: attributes as they stand in HTML, and text, which is never read as markup. */
type Options = { readonly text?: string; readonly [attribute: string]: string | undefined }

/** Makes an element with its attributes and children. Markup can only be made here, so no text can become markup. */
export function element<const Tag extends keyof HTMLElementTagNameMap>(
  tag: Tag,
  options: Options = {},
  ...children: readonly Node[]
): HTMLElementTagNameMap[Tag] {
  const made = document.createElement(tag)
  for (const [name, value] of Object.entries(options)) {
    if (value === undefined) continue
    if (name === 'text') made.textContent = value
    else made.setAttribute(name, value)
  }
  made.append(...children)
  return made
}

/** Changes a text only when it differs, so that a selection or a screen reader is not disturbed. */
export function setText(node: Node, text: string): void {
  if (node.textContent !== text) node.textContent = text
}

/** Changes an attribute only when it differs; null takes it away. */
export function setAttribute(node: Element, name: string, value: string | null): void {
  if (node.getAttribute(name) === value) return
  if (value === null) node.removeAttribute(name)
  else node.setAttribute(name, value)
}

/** A part of the page: made once, then told what changed, so that focus stays and nothing jumps. */
export type Part<State> = { readonly node: HTMLElement; update(state: State): void }

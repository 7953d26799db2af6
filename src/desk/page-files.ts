import { readFileSync } from 'node:fs'
import { stripTypeScriptTypes } from 'node:module'
import { join } from 'node:path'

export type PageFile = { readonly path: string; readonly type: string; readonly body: string }

const FOLDER = join(import.meta.dirname, 'page')

/** What the page is made of. A module keeps its name, so that its imports hold as they are written. */
const MODULES = [
  'main.ts',
  'announcement.ts',
  'announcer.ts',
  'api.ts',
  'backoff.ts',
  'call-panel.ts',
  'element.ts',
  'event-parser.ts',
  'event-reader.ts',
  'field-row.ts',
  'idle.ts',
  'model.ts',
  'payment-panel.ts',
  'sentences.ts',
  'session-store.ts',
  'sign-in.ts',
  'status-line.ts',
] as const

/** Reads the page once, at start. TypeScript becomes JavaScript by blanking out its types: lines and columns stay. */
export function readPageFiles(): readonly PageFile[] {
  const read = (name: string) => readFileSync(join(FOLDER, name), 'utf8')
  return [
    { path: '/', type: 'text/html; charset=utf-8', body: read('index.html') },
    { path: '/page/icon.svg', type: 'image/svg+xml; charset=utf-8', body: read('icon.svg') },
    { path: '/page/page.css', type: 'text/css; charset=utf-8', body: read('page.css') },
    ...MODULES.map((name) => ({
      path: `/page/${name}`,
      type: 'text/javascript; charset=utf-8',
      body: stripTypeScriptTypes(read(name)),
    })),
  ]
}

const KEY = 'tonewall.session'

/** The session's token, for this tab only: it is gone when the tab is closed. */
export const sessionStore = {
  read: (): string | null => sessionStorage.getItem(KEY),
  write: (token: string): void => sessionStorage.setItem(KEY, token),
  forget: (): void => sessionStorage.removeItem(KEY),
}

/** Takes the agent's token out of the address (#token=...), and the address out of history and sight. */
export function takeTokenFromAddress(): string | null {
  const token = new URLSearchParams(location.hash.slice(1)).get('token')
  if (location.hash !== '') history.replaceState(null, '', location.pathname)
  return token
}

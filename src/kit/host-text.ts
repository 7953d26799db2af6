/** A host as URIs, Via and most options write it: an IPv6 address in brackets (RFC 3986 section 3.2.2). */
export function hostText(host: string): string {
  return host.includes(':') ? `[${host}]` : host
}

/** The same with a port. */
export function hostPortText({ host, port }: { readonly host: string; readonly port: number }): string {
  return `${hostText(host)}:${port}`
}

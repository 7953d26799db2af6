/**
 * How programs that search the Internet for open SIP servers name themselves in User-Agent. They are recognised at no cost
 * by whoever takes messages in; one that names itself otherwise is a stranger like any other.
 */
const SCANNERS =
  /friendly-scanner|friendly-request|sipvicious|sipcli|sip-scan|sipsak|sundayddr|vaxsipuseragent|pplsip|smap\b|iwar\b|svwar|svcrack|sipptk|siparmyknife|eyebeam-scan|gulp|nm@nm|masscan|zgrab/i

export function isScanner(userAgent: string | undefined): boolean {
  return userAgent !== undefined && SCANNERS.test(userAgent)
}

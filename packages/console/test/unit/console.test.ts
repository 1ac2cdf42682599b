import { createConsole } from '@postern/console'
import { describe, expect, it } from 'vitest'
import { createPhone } from '../../../platform/test/support/bank.js'
import { createStaffed, loginEvent, type Staffed } from '../../../platform/test/support/operators.js'

const ADMIN = 'http://127.0.0.1:9/postern/admin/v1'
const PAGES = [
  '/graphs',
  '/graphs?range=30d',
  '/policies',
  '/devices',
  '/events',
  '/events?outcome=success',
  '/nothing',
  '/graphs/none.svg',
]

interface Shown {
  readonly status: number
  readonly headers: Headers
  readonly text: string
}

function consoleOf(staffed: Staffed, over: Partial<Parameters<typeof createConsole>[0]> = {}) {
  const { fetch } = createConsole({
    adminUrl: ADMIN,
    token: () => staffed.token(),
    fetch: (input, init) => staffed.bank.platform.fetch(new Request(input, init)),
    ...over,
  })
  return async (path: string, method = 'GET'): Promise<Shown> => {
    const answer = await fetch(new Request(`https://console.bank.example${path}`, { method }))
    return { status: answer.status, headers: answer.headers, text: await answer.text() }
  }
}

describe('the console over a running platform', () => {
  it('shows each graph as a picture from its own origin, with the same numbers beside it', async () => {
    const staffed = await createStaffed()
    const now = staffed.bank.clock.clock()
    await staffed.ship(Array.from({ length: 12 }, (_, n) => loginEvent(now - n * 60_000, n)))
    const show = consoleOf(staffed)
    const { text, status } = await show('/graphs?range=7d')
    expect(status).toBe(200)
    for (const id of ['logins', 'pin', 'device-key', 'versions'])
      expect(text).toContain(`<img src="/graphs/${id}.svg?range=7d" alt="`)
    expect(text).toMatch(/<th scope="row">Whole range<\/th><td class="num">12<\/td><td class="num">5<\/td>/)
    const picture = await show('/graphs/logins.svg?range=7d')
    expect(picture.headers.get('content-type')).toBe('image/svg+xml')
    expect(picture.text).toMatch(/^<svg /)
  })

  it('shows the policy in force with its rules and publications', async () => {
    const { text } = await consoleOf(await createStaffed())('/policies')
    expect(text).toContain('start-up')
    expect(text).toContain('in force')
    expect(text).toContain('blocked')
  })

  it('shows devices page by page, one device in full, and the way to its events', async () => {
    const staffed = await createStaffed()
    const phone = await createPhone(staffed.bank)
    await phone.enrolInstance()
    const show = consoleOf(staffed)
    expect((await show('/devices')).text).toContain(`<a href="/devices/${phone.clientId}">`)
    const one = await show(`/devices/${phone.clientId}`)
    expect(one.text).toContain(`/events?device=${phone.clientId}`)
    expect(one.text).toContain('device.integrity.evidence')
    expect((await show(`/events?device=${phone.clientId}`)).text).toContain('device.registered')
    expect((await show(`/devices/${'a'.repeat(26)}`)).status).toBe(404)
  })

  it('pages through events by links alone', async () => {
    const staffed = await createStaffed()
    const now = staffed.bank.clock.clock()
    await staffed.ship(Array.from({ length: 70 }, (_, n) => loginEvent(now - n * 1000, n)))
    const show = consoleOf(staffed, { basePath: '/console' })
    const first = await show('/console/events?type=login.succeeded')
    const [, older] = /<a class="button" href="(\?[^"]+)">Older/.exec(first.text)!
    const second = await show(`/console/events${older!.replaceAll('&amp;', '&')}`)
    const rows = (text: string) => [...text.matchAll(/<th scope="row" title="([^"]+)"/g)].map(([, id]) => id)
    expect(new Set([...rows(first.text), ...rows(second.text)]).size).toBe(70)
    expect(second.text).not.toContain('>Older<')
  })

  it('H20 every page: no script, no frame, no style or picture from elsewhere, whatever it shows', async () => {
    const staffed = await createStaffed()
    const evil = '"><script>alert(1)</script><img src=x onerror=alert(1)>'
    const at = staffed.bank.clock.clock()
    await staffed.ship([
      loginEvent(at, 1, { subject: evil, app: evil, appVersion: evil, reason: evil, operator: evil, detail: { [evil]: evil } }),
    ])
    const make = { headers: { 'if-none-match': '*' }, body: { name: evil, registration: 'open' } }
    expect((await staffed.call('PUT', '/apps/aaa', make)).status).toBe(201)
    const show = consoleOf(staffed)
    for (const path of [...PAGES, `/events?subject=${encodeURIComponent(evil)}`, `/policies?id=${encodeURIComponent(evil)}`]) {
      const { headers, text } = await show(path)
      expect(headers.get('content-security-policy')).toContain("default-src 'none'")
      expect(headers.get('content-security-policy')).toContain("frame-ancestors 'none'")
      expect(headers.get('content-security-policy')).toContain("form-action 'self'")
      expect(headers.get('content-security-policy')).not.toContain('script-src')
      expect(headers.get('x-frame-options')).toBe('DENY')
      expect(headers.get('x-content-type-options')).toBe('nosniff')
      expect(text).not.toMatch(/<script|<img src=x|\son\w+=(?!alert)|\sstyle=|javascript:/i)
    }
    expect((await show('/devices')).text).toContain('&quot;&gt;&lt;script&gt;')
  })

  it('is for reading: anything but GET and HEAD is 405; HEAD has no body', async () => {
    const show = consoleOf(await createStaffed())
    for (const method of ['POST', 'PUT', 'DELETE', 'OPTIONS']) {
      const answer = await show('/devices', method)
      expect(answer.status).toBe(405)
      expect(answer.headers.get('allow')).toBe('GET, HEAD')
    }
    expect(await show('/graphs', 'HEAD')).toMatchObject({ status: 200, text: '' })
  })

  it('says what is wrong when the operator may not, is not known, or nobody answers, and nothing more', async () => {
    const staffed = await createStaffed()
    const forbidden = await consoleOf(staffed, { token: () => staffed.token({ scope: 'events:read' }) })('/policies')
    expect(forbidden.status).toBe(403)
    const unknown = await consoleOf(staffed, { token: () => 'secret-token' })('/policies')
    expect(unknown.status).toBe(401)
    expect(unknown.text).not.toContain('secret-token')
    const down = await consoleOf(staffed, { fetch: () => Promise.reject(new Error('10.0.0.7 refused')) })('/policies')
    expect(down.status).toBe(502)
    expect(down.text).not.toContain('10.0.0.7')
    const strange = await consoleOf(staffed, { fetch: async () => Response.json({ surprise: true }) })('/policies')
    expect(strange.status).toBe(502)
  })

  it('lives where it is mounted and nowhere else', async () => {
    const show = consoleOf(await createStaffed(), { basePath: '/ops/console' })
    expect((await show('/ops/console')).headers.get('location')).toBe('/ops/console/graphs')
    expect((await show('/ops/console/graphs')).text).toContain('href="/ops/console/console.css"')
    expect((await show('/ops/consolex/graphs')).status).toBe(404)
    expect((await show('/graphs')).status).toBe(404)
    for (const basePath of ['console', '/console/', '/a"b', '//x'])
      expect(() => createConsole({ adminUrl: ADMIN, token: () => '', fetch, basePath })).toThrow(TypeError)
  })
})

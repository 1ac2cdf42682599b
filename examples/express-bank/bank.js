// @ts-check
// The bank as it was before Postern: an ordinary Express application with its own users, login form, sessions and body parsers.
import { randomBytes, scryptSync, timingSafeEqual } from 'node:crypto'
import express from 'express'

/** Personal data stays here. Postern is told the customer number and nothing else. */
const users = new Map([
  ['anna', user('c-1001', 'Anna de Vries', 'correct horse')],
  ['bob', user('c-1002', 'Bob Jansen', 'battery staple')],
])

/** @param {string} subject @param {string} name @param {string} password */
function user(subject, name, password) {
  const salt = randomBytes(16)
  return { subject, name, salt, hash: scryptSync(password, salt, 32) }
}

/** The customer number behind a user name and password, or null. @param {string} name @param {string} password */
export function checkPassword(name, password) {
  const known = users.get(name)
  const { salt, hash } = known ?? user('', '', '')
  const right = timingSafeEqual(scryptSync(password, salt, 32), hash)
  return known && right ? known.subject : null
}

/** @typedef {{ subject: string, since: number }} Session */

/** @returns {import('express').Express & { sessionOf(cookie: string | null): Session | null }} */
export function createBank() {
  const sessions = /** @type {Map<string, Session>} */ (new Map())
  const app = express()
  app.use(express.json(), express.urlencoded({ extended: false }))

  app.get('/', (req, res) => {
    const session = sessionOf(req.headers.cookie ?? null)
    res.send(page(session ? `<p>Welcome, ${session.subject}.</p>` : '<p><a href="/login">Log in</a></p>'))
  })

  app.get('/login', (req, res) => {
    const next = localPath(req.query.next)
    res.send(
      page(`<form method="post" action="/login">
      <input type="hidden" name="next" value="${escaped(next)}">
      <label>User <input name="user" autocomplete="username"></label>
      <label>Password <input name="password" type="password" autocomplete="current-password"></label>
      <button>Log in</button></form>`),
    )
  })

  app.post('/login', (req, res) => {
    const subject = checkPassword(String(req.body.user ?? ''), String(req.body.password ?? ''))
    if (!subject) return void res.status(401).send(page('<p>That was not right. <a href="/login">Again</a></p>'))
    const id = randomBytes(24).toString('base64url')
    sessions.set(id, { subject, since: Date.now() })
    res.cookie('bank', id, { httpOnly: true, sameSite: 'lax', path: '/' })
    res.redirect(303, localPath(req.body.next))
  })

  /** Who is logged in to the bank's own site and since when, by its session cookie. @param {string | null} cookie */
  function sessionOf(cookie) {
    const id = /(?:^|;\s*)bank=([A-Za-z0-9_-]{32})(?:;|$)/.exec(cookie ?? '')?.[1]
    return (id && sessions.get(id)) || null
  }
  return Object.assign(app, { sessionOf })
}

/** Only a path of this site: never an address that someone put into a link. @param {unknown} next */
function localPath(next) {
  return typeof next === 'string' && /^\/(?![/\\])[\x21-\x7e]*$/.test(next) ? next : '/'
}

/** @param {string} text */
function escaped(text) {
  return text.replace(/[&<>"']/g, (c) => `&#${c.charCodeAt(0)};`)
}

/** @param {string} body */
function page(body) {
  return `<!doctype html><html lang="en"><meta charset="utf-8"><title>Bank</title><body>${body}</body></html>`
}

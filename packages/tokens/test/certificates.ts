/// <reference types="node" />
/** Certificates that openssl makes, in a folder that goes with them. */
import { execFileSync } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** Whether to skip: openssl is absent and nobody demanded it. */
export function noOpenssl(): boolean {
  if (process.env.POSTERN_REQUIRE === 'all') return false
  try {
    return !execFileSync('openssl', ['version'], { encoding: 'utf8' }).startsWith('OpenSSL 3')
  } catch {
    return true
  }
}

export interface Issued {
  readonly der: Uint8Array
  readonly certificate: string
  readonly key: string
}

export interface Authority {
  /** A certificate `name` with these extension lines, signed by `by`, itself when it is the same. */
  issue(name: string, by: string, extensions: string, o?: { subject?: string; algorithm?: readonly string[] }): Issued
  close(): void
}

export const CA = 'basicConstraints=critical,CA:TRUE\nkeyUsage=critical,keyCertSign'
export const CLIENT = 'basicConstraints=CA:FALSE\nkeyUsage=critical,digitalSignature\nextendedKeyUsage=clientAuth'
const P256 = ['-algorithm', 'EC', '-pkeyopt', 'ec_paramgen_curve:P-256']

export function authority(): Authority {
  const folder = mkdtempSync(join(tmpdir(), 'postern-certificates-'))
  const openssl = (...args: readonly string[]): void =>
    void execFileSync('openssl', args as string[], { cwd: folder, stdio: ['ignore', 'ignore', 'pipe'] })
  return {
    issue(name, by, extensions, { subject = `/C=NO/O=Bank/CN=${name}`, algorithm = P256 } = {}) {
      const at = (ending: string): string => join(folder, `${name}.${ending}`)
      if (!existsSync(at('key'))) openssl('genpkey', ...algorithm, '-out', at('key'))
      writeFileSync(at('ext'), extensions)
      openssl('req', '-new', '-utf8', '-key', at('key'), '-subj', subject, '-multivalue-rdn', '-out', at('csr'))
      const signer =
        by === name
          ? ['-signkey', at('key')]
          : ['-CA', join(folder, `${by}.pem`), '-CAkey', join(folder, `${by}.key`), '-CAcreateserial']
      openssl('x509', '-req', '-in', at('csr'), ...signer, '-days', '3650', '-extfile', at('ext'), '-out', at('pem'))
      const certificate = readFileSync(at('pem'), 'utf8')
      const der = Uint8Array.from(Buffer.from(/-----BEGIN CERTIFICATE-----([^-]+)/.exec(certificate)![1]!, 'base64'))
      return { der, certificate, key: readFileSync(at('key'), 'utf8') }
    },
    close: () => rmSync(folder, { recursive: true, force: true }),
  }
}

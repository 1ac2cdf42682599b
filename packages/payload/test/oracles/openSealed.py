"""Opens what the package seals, with python3-cryptography and nothing of the package: written from RFC 9180, RFC 9458,
draft-ietf-ohai-chunked-ohttp-08 and the wire description of sessions and sealed records.

Standard input: a JSON list of cases, bytes in hexadecimal. Standard output: a JSON list of what they held.
  {"kind": "single" | "chunked", "kem": 32 | 16, "sk": .., "request": .., "reply": ..} -> {"request": .., "reply": ..}
  {"kind": "session", "secret": .., "request": .., "reply": ..}                        -> {"request": .., "reply": ..}
  {"kind": "record", "dek": .., "store": "..", "name": "..", "record": ..}             -> {"value": ..}
"""

import hashlib
import hmac
import json
import sys

from cryptography.hazmat.primitives.asymmetric import ec, x25519
from cryptography.hazmat.primitives.ciphers.aead import AESGCM, ChaCha20Poly1305
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

AEADS = {1: (AESGCM, 16), 2: (AESGCM, 32), 3: (ChaCha20Poly1305, 32)}


def i2osp(n, width):
    return n.to_bytes(width, "big")


def mac(key, data):
    return hmac.new(key, data, hashlib.sha256).digest()


def extract(salt, ikm):  # RFC 5869, 2.2
    return mac(salt or bytes(32), ikm)


def expand(prk, info, length):  # RFC 5869, 2.3
    out, block = b"", b""
    while len(out) < length:
        block = mac(prk, block + info + i2osp(len(out) // 32 + 1, 1))
        out += block
    return out[:length]


def labeled_extract(suite, salt, label, ikm):  # RFC 9180, 4
    return extract(salt, b"HPKE-v1" + suite + label + ikm)


def labeled_expand(suite, prk, label, info, length):
    return expand(prk, i2osp(length, 2) + b"HPKE-v1" + suite + label + info, length)


def decap(kem, sk, enc):  # RFC 9180, 4.1
    if kem == 0x20:
        key = x25519.X25519PrivateKey.from_private_bytes(sk)
        dh = key.exchange(x25519.X25519PublicKey.from_public_bytes(enc))
        pk = key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    else:
        curve = ec.SECP256R1()
        key = ec.derive_private_key(int.from_bytes(sk, "big"), curve)
        dh = key.exchange(ec.ECDH(), ec.EllipticCurvePublicKey.from_encoded_point(curve, enc))
        pk = key.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    suite = b"KEM" + i2osp(kem, 2)
    prk = labeled_extract(suite, b"", b"eae_prk", dh)
    return labeled_expand(suite, prk, b"shared_secret", enc + pk, 32)


class Context:  # RFC 9180, 5.1 to 5.3, mode base
    def __init__(self, kem, kdf, aead, shared, info):
        assert kdf == 1
        cipher, nk = AEADS[aead]
        self.suite = b"HPKE" + i2osp(kem, 2) + i2osp(kdf, 2) + i2osp(aead, 2)
        context = (
            b"\0"
            + labeled_extract(self.suite, b"", b"psk_id_hash", b"")
            + labeled_extract(self.suite, b"", b"info_hash", info)
        )
        secret = labeled_extract(self.suite, shared, b"secret", b"")
        self.aead, self.nk = aead, nk
        self.cipher = cipher(labeled_expand(self.suite, secret, b"key", context, nk))
        self.nonce = labeled_expand(self.suite, secret, b"base_nonce", context, 12)
        self.exporter = labeled_expand(self.suite, secret, b"exp", context, 32)

    def export(self, context, length):
        return labeled_expand(self.suite, self.exporter, b"sec", context, length)


def nonce_at(nonce, i):
    return bytes(a ^ b for a, b in zip(nonce, i2osp(i, 12)))


def varint(data, at):  # RFC 9000, 16
    width = 1 << (data[at] >> 6)
    value = data[at] & 63
    for byte in data[at + 1 : at + width]:
        value = value * 256 + byte
    return value, at + width


def chunks(cipher, nonce, data):  # draft-ietf-ohai-chunked-ohttp-08, 6
    out, at, i = b"", 0, 0
    while True:
        length, at = varint(data, at)
        if length == 0:
            return out + cipher.decrypt(nonce_at(nonce, i), data[at:], b"final")
        assert 16 < length <= len(data) - at
        out += cipher.decrypt(nonce_at(nonce, i), data[at : at + length], b"")
        at, i = at + length, i + 1


def reply_of(context, enc, label, reply):  # RFC 9458, 4.4
    size = max(12, context.nk)
    nonce, body = reply[:size], reply[size:]
    prk = extract(enc + nonce, context.export(label, size))
    cipher = AEADS[context.aead][0](expand(prk, b"key", context.nk))
    return cipher, expand(prk, b"nonce", 12), body


def header(request):
    return [int.from_bytes(request[at : at + 2], "big") for at in (1, 3, 5)]


def single(case):
    request, reply = bytes.fromhex(case["request"]), bytes.fromhex(case["reply"])
    kem, kdf, aead = header(request)
    assert kem == case["kem"]
    size = 32 if kem == 0x20 else 65
    enc, body = request[7 : 7 + size], request[7 + size :]
    chunked = case["kind"] == "chunked"
    what = b"message/bhttp chunked " if chunked else b"message/bhttp "
    shared = decap(kem, bytes.fromhex(case["sk"]), enc)
    context = Context(kem, kdf, aead, shared, what + b"request\0" + request[:7])
    cipher, nonce, sealed = reply_of(context, enc, what + b"response", reply)
    if chunked:
        return chunks(context.cipher, context.nonce, body), chunks(cipher, nonce, sealed)
    return context.cipher.decrypt(context.nonce, body, b""), cipher.decrypt(nonce, sealed, b"")


def session(case):
    request, reply = bytes.fromhex(case["request"]), bytes.fromhex(case["reply"])
    kem, kdf, aead = header(request)
    assert request[0] == 0 and kem == 0xFF01
    enc, body = request[7:39], request[39:]
    what = b"application/vnd.postern.session "
    shared = mac(bytes.fromhex(case["secret"]), b"postern session kem v1\0" + enc)
    context = Context(kem, kdf, aead, shared, what + b"request\0" + request[:7])
    cipher, nonce, sealed = reply_of(context, enc, what + b"response", reply)
    return chunks(context.cipher, context.nonce, body), chunks(cipher, nonce, sealed)


def lp(data):
    return i2osp(len(data), 2) + data


def record(case):
    data = bytes.fromhex(case["record"])
    head, salt, commit, body = data[:61], data[13:29], data[29:61], data[61:]
    fields = [case["store"].encode(), case["name"].encode(), i2osp(1, 4), head[5:13]]
    info = lp(b"postern:record/v1") + i2osp(len(fields), 1) + b"".join(map(lp, fields))
    okm = expand(extract(salt, bytes.fromhex(case["dek"])), info, 64)
    assert hmac.compare_digest(okm[32:], commit)
    cipher = AESGCM(okm[:32])
    plain = cipher.decrypt(bytes(12), body, head) if data[0] == 1 else chunks(cipher, bytes(12), body)
    length = int.from_bytes(plain[:4], "big")
    assert not any(plain[4 + length :])
    return plain[4 : 4 + length]


def opened(case):
    if case["kind"] == "record":
        return {"value": record(case).hex()}
    request, reply = session(case) if case["kind"] == "session" else single(case)
    return {"request": request.hex(), "reply": reply.hex()}


json.dump([opened(case) for case in json.load(sys.stdin)], sys.stdout)

"""Signs, verifies, encrypts and decrypts for the tests, a line of JSON at a time: Debian's python3-jwcrypto and nothing of ours."""
import json
import sys

from jwcrypto import jwe, jwk, jws, jwt

KINDS = {
    "ES256": {"kty": "EC", "crv": "P-256"},
    "ES384": {"kty": "EC", "crv": "P-384"},
    "EdDSA": {"kty": "OKP", "crv": "Ed25519"},
    "PS256": {"kty": "RSA", "size": 2048},
    "RS256": {"kty": "RSA", "size": 2048},
    "ECDH-ES": {"kty": "EC", "crv": "P-256"},
    "X25519": {"kty": "OKP", "crv": "X25519"},
    "RSA-OAEP-256": {"kty": "RSA", "size": 2048},
}


def key(alg, kid):
    made = jwk.JWK.generate(kid=kid, **KINDS[alg])
    return {"private": made.export(as_dict=True), "public": made.export_public(as_dict=True)}


def sign(jwk_, header, claims):
    token = jwt.JWT(header=header, claims=claims)
    token.make_signed_token(jwk.JWK(**jwk_))
    return token.serialize()


def verify(token, keys, alg, claims):
    """`claims` are what must be there, and what it must be; times are judged by this machine's clock."""
    key_set = jwk.JWKSet.from_json(json.dumps({"keys": keys}))
    read = jwt.JWT(jwt=token, key=key_set, algs=[alg], check_claims=claims)
    return {"header": json.loads(read.header), "claims": json.loads(read.claims)}


def encrypt(jwk_, header, text):
    made = jwe.JWE(text.encode(), recipient=jwk.JWK(**jwk_), protected=json.dumps(header))
    return made.serialize(compact=True)


def decrypt(jwk_, token):
    read = jwe.JWE()
    read.deserialize(token, key=jwk.JWK(**jwk_))
    return read.payload.decode()


def thumbprint(jwk_):
    return jwk.JWK(**jwk_).thumbprint()


VERBS = {"key": key, "sign": sign, "verify": verify, "encrypt": encrypt, "decrypt": decrypt, "thumbprint": thumbprint}

for line in sys.stdin:
    verb, arguments = json.loads(line)
    try:
        answer = {"ok": VERBS[verb](*arguments)}
    except (jws.InvalidJWSObject, jwe.InvalidJWEData, jwt.JWException, ValueError) as error:
        answer = {"error": type(error).__name__ + ": " + str(error)}
    print(json.dumps(answer), flush=True)

"""Whether a post may speak for its device: HTTP Basic, Digest and Bearer against what is kept.

A device id that nobody knows costs and looks the same as a wrong secret. Nothing is compared that
tells by its time how much of it was right.

A nonce of Digest is a time with a seal that only this process can make, so none is remembered.
For as long as it is fresh, whoever reads the network can send again what they saw; against that
and against changing a body on its way only TLS helps, as with Basic and Bearer.

Source: RFC 7617 (Basic), RFC 7616 and RFC 2069 (Digest with MD5, with and without qop),
RFC 6750 (Bearer).
"""

import base64
import binascii
import hashlib
import hmac
import secrets
from collections.abc import Callable, Mapping
from enum import Enum
from urllib.request import parse_http_list, parse_keqv_list

from devices.credential import REALM, hash_secret
from devices.registry import Credential

FRESH_S = 300
"""A terminal that keeps a nonce is told after so many seconds to ask for another."""
_SEAL_HEX = 32


class Verdict(Enum):
    """What became of the proof that came with a post."""

    RIGHT = "right"
    WRONG = "wrong"
    STALE = "stale"
    """The proof is right, but its nonce is old; the terminal asks for another and tries again."""


class Authenticator:
    """Judges the Authorization header of posts.

    Args:
        seconds: A clock that never goes back, for the age of nonces.
    """

    def __init__(self, seconds: Callable[[], float]) -> None:
        self._seconds = seconds
        self._key = secrets.token_bytes(32)
        self._nobody = Credential(hash_secret(secrets.token_hex()), None, 0)

    def judge(
        self,
        header: bytes,
        *,
        device: str,
        method: bytes,
        target: bytes,
        credentials: Mapping[str, Credential],
    ) -> Verdict:
        """Return whether the sender knows the device's secret.

        Args:
            header: Value of Authorization; empty where there is none.
            device: Whom the path names; the user must be the same.
            method: Of the request.
            target: Of the request, as sent.
            credentials: What is kept, by device.
        """
        credential = credentials.get(device, self._nobody)
        scheme, _, rest = header.strip().partition(b" ")
        match scheme.lower():
            case b"basic":
                is_right = _is_secret(_basic_secret(rest, device), credential)
            case b"bearer":
                is_right = _is_secret(rest.strip(), credential)
            case b"digest" if credential.digest_hash:
                return self._judge_digest(rest, credential.digest_hash, device, method, target)
            case _:
                return Verdict.WRONG
        return Verdict.RIGHT if is_right else Verdict.WRONG

    def challenges(self, credential: Credential | None, verdict: Verdict) -> list[str]:
        """Return the values of WWW-Authenticate that say how to prove it, the better one first."""
        basic = f'Basic realm="{REALM}", charset="UTF-8"'
        if credential is None or credential.digest_hash is None:
            return [basic]
        stale = ", stale=true" if verdict is Verdict.STALE else ""
        nonce = self._nonce(int(self._seconds()))
        return [f'Digest realm="{REALM}", qop="auth", algorithm=MD5, nonce="{nonce}"{stale}', basic]

    def _nonce(self, at: int) -> str:
        seal = hmac.new(self._key, str(at).encode(), hashlib.sha256).hexdigest()[:_SEAL_HEX]
        return f"{at}-{seal}"

    def _judge_digest(
        self, said: bytes, kept: str, device: str, method: bytes, target: bytes
    ) -> Verdict:
        try:
            proof = parse_keqv_list(parse_http_list(said.decode("utf-8")))
        except (UnicodeDecodeError, ValueError, IndexError):
            return Verdict.WRONG
        nonce, uri = proof.get("nonce", ""), proof.get("uri", "")
        at = nonce.partition("-")[0]
        if (
            proof.get("username") != device
            or uri.encode() != target
            or proof.get("algorithm", "MD5").upper() != "MD5"
            or not (at.isascii() and at.isdecimal() and len(at) <= _SEAL_HEX)
            or not _same(nonce, self._nonce(int(at)))
        ):
            return Verdict.WRONG
        asked = _md5(f"{method.decode('ascii')}:{uri}")
        middle = nonce
        if "qop" in proof:
            middle = ":".join((nonce, proof.get("nc", ""), proof.get("cnonce", ""), proof["qop"]))
        if not _same(proof.get("response", "").lower(), _md5(f"{kept}:{middle}:{asked}")):
            return Verdict.WRONG
        is_fresh = 0 <= self._seconds() - int(at) <= FRESH_S
        return Verdict.RIGHT if is_fresh else Verdict.STALE


def _basic_secret(said: bytes, device: str) -> bytes:
    """Return the password, empty where the user is not the device, whose id may hold colons."""
    try:
        pair = base64.b64decode(said.strip(), validate=True)
    except binascii.Error:
        return b""
    user = f"{device}:".encode()
    return pair.removeprefix(user) if pair.startswith(user) else b""


def _is_secret(said: bytes, credential: Credential) -> bool:
    return _same(hashlib.sha256(said).hexdigest(), credential.secret_hash)


def _same(one: str, other: str) -> bool:
    return hmac.compare_digest(one.encode(), other.encode())


def _md5(text: str) -> str:
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()

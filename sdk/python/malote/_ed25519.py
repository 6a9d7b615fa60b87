"""Ed25519 (RFC 8032) for verifying: Python's standard library has none.

Verifying handles public data only, so it need not take constant time. Nothing
here signs. Where the package cryptography is installed, it does the work.
"""

from __future__ import annotations

import hashlib
from typing import Optional, Tuple

_Point = Tuple[int, int, int, int]  # extended coordinates

_P = 2**255 - 19
_L = 2**252 + 27742317777372353535851937790883648493
_D = -121665 * pow(121666, _P - 2, _P) % _P
_ROOT = pow(2, (_P - 1) // 4, _P)  # of -1


def _add(a: _Point, b: _Point) -> _Point:
    e = (a[1] - a[0]) * (b[1] - b[0]) % _P
    f = (a[1] + a[0]) * (b[1] + b[0]) % _P
    g = 2 * a[3] * b[3] * _D % _P
    h = 2 * a[2] * b[2] % _P
    w, x, y, z = f - e, h - g, h + g, f + e
    return (w * x % _P, y * z % _P, x * y % _P, w * z % _P)


def _times(n: int, a: _Point) -> _Point:
    sum_: _Point = (0, 1, 1, 0)
    while n > 0:
        if n & 1:
            sum_ = _add(sum_, a)
        a = _add(a, a)
        n >>= 1
    return sum_


def _recover_x(y: int, sign: int) -> Optional[int]:
    x2 = (y * y - 1) * pow(_D * y * y + 1, _P - 2, _P) % _P
    if x2 == 0:
        return None if sign else 0
    x = pow(x2, (_P + 3) // 8, _P)
    if (x * x - x2) % _P != 0:
        x = x * _ROOT % _P
    if (x * x - x2) % _P != 0:
        return None
    return _P - x if (x & 1) != sign else x


def _base() -> _Point:
    y = 4 * pow(5, _P - 2, _P) % _P
    x = _recover_x(y, 0) or 0
    return (x, y, 1, x * y % _P)


_BASE = _base()


def _encode(a: _Point) -> bytes:
    inverse = pow(a[2], _P - 2, _P)
    x, y = a[0] * inverse % _P, a[1] * inverse % _P
    return (y | (x & 1) << 255).to_bytes(32, "little")


def _decode(b: bytes) -> Optional[_Point]:
    n = int.from_bytes(b, "little")
    sign, y = n >> 255, n & (2**255 - 1)
    if y >= _P:
        return None
    x = _recover_x(y, sign)
    return None if x is None else (x, y, 1, x * y % _P)


def _python_verify(public: bytes, message: bytes, signature: bytes) -> bool:
    a = _decode(public)
    s = int.from_bytes(signature[32:], "little")
    if a is None or s >= _L:
        return False
    k = int.from_bytes(hashlib.sha512(signature[:32] + public + message).digest(), "little") % _L
    negative: _Point = (_P - a[0], a[1], a[2], _P - a[3])
    return _encode(_add(_times(s, _BASE), _times(k, negative))) == signature[:32]


def verify(public: bytes, message: bytes, signature: bytes) -> bool:
    """Says whether a signature of 64 bytes is right."""
    try:
        from cryptography.exceptions import InvalidSignature  # type: ignore[import-not-found, unused-ignore]
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey  # type: ignore[import-not-found, unused-ignore]
    except ImportError:
        return _python_verify(public, message, signature)
    try:
        Ed25519PublicKey.from_public_bytes(public).verify(signature, message)
    except (InvalidSignature, ValueError):
        return False
    return True


def public_key(seed: bytes) -> bytes:
    """The public key of a seed of 32 bytes. A receiver does better to hold the public key alone."""
    h = bytearray(hashlib.sha512(seed).digest()[:32])
    h[0] &= 248
    h[31] = h[31] & 127 | 64
    return _encode(_times(int.from_bytes(h, "little"), _BASE))

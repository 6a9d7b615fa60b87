"""A dialect, as its JSON file says it, read into what verifying needs."""

from __future__ import annotations

import base64
import binascii
import datetime
import hashlib
import hmac
import json
import pathlib
import re
from dataclasses import dataclass
from typing import Any, Dict, Iterable, Iterator, List, Mapping, Optional, Sequence, Tuple, Union

from . import _ed25519

Dialect = Mapping[str, Any]
Headers = Union[Mapping[str, Any], Iterable[Tuple[str, str]]]

DIALECTS: List[Dict[str, Any]] = json.loads((pathlib.Path(__file__).parent / "dialects.json").read_text("utf-8"))


def find(of: Union[str, Dialect]) -> Dialect:
    """The built-in dialect of a name, or the parsed file that was given."""
    if not isinstance(of, str):
        if "signature" not in of:
            raise ValueError("malote: this is not a dialect file: it has no signature")
        return of
    name, _, revision = of.partition("/")
    found = [d for d in DIALECTS if d["name"] == name and revision in ("", str(d["revision"]))]
    if not found:
        names = ", ".join(d["name"] for d in DIALECTS)
        raise ValueError(f"malote: no dialect {of}; there are {names}, or give the JSON of your own file")
    return found[-1]


_UNITS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}


def seconds(duration: str) -> float:
    """Seconds of a duration such as "1m30s"."""
    return sum(float(n) * _UNITS[unit] for n, unit in re.findall(r"([\d.]+)(ns|us|µs|ms|s|m|h)", duration))


def template(text: str) -> Iterator[Tuple[str, str]]:
    """Splits "text {hole} text" into ("", literal) and (hole, ""); "{{" is a brace."""
    for brace, hole, literal in re.findall(r"(\{\{)|\{([^}]*)\}|([^{]+)", text):
        yield (hole, "") if hole else ("", "{" if brace else literal)


@dataclass
class Hole:
    """A whole value of the envelope that the event fills."""

    path: List[str]
    name: str
    format: str


def holes(shape: Any, path: Sequence[str] = ()) -> List[Hole]:
    if isinstance(shape, str):
        m = re.fullmatch(r"\{([a-z_]+)(?::([a-z0-9_]+))?\}", shape)
        return [Hole(list(path), m[1], m[2] or "")] if m else []
    if isinstance(shape, dict):
        return [hole for key, value in shape.items() for hole in holes(value, [*path, key])]
    return []


def header_pairs(headers: Headers) -> List[Tuple[str, str]]:
    """Takes headers as a mapping of texts or lists, as pairs, or as what a framework has with items()."""
    items: Iterable[Tuple[str, Any]] = headers.items() if hasattr(headers, "items") else headers
    pairs: List[Tuple[str, str]] = []
    for name, value in items:
        many = value if isinstance(value, (list, tuple)) else [value]
        pairs += [(_text(name), _text(v)) for v in many if v is not None]
    return pairs


def _text(v: Any) -> str:
    return v.decode("latin-1") if isinstance(v, bytes) else str(v)  # ASGI gives bytes


def values(pairs: List[Tuple[str, str]], name: str) -> List[str]:
    """All values of a header, whatever the spelling of its name."""
    return [v for n, v in pairs if n.lower() == name.lower()]


def encode(encoding: str, b: bytes) -> bytes:
    if encoding == "hex":
        return binascii.hexlify(b)
    if encoding == "base64":
        return base64.b64encode(b)
    if encoding == "base64url":
        return base64.urlsafe_b64encode(b).rstrip(b"=")
    return b


def decode(encoding: str, text: str) -> Optional[bytes]:
    """Decodes what encode writes, and nothing else; None where it is not that."""
    try:
        raw = text.encode("utf-8")
        if encoding == "hex":
            b = binascii.unhexlify(raw)
        elif encoding == "base64":
            b = base64.b64decode(raw, validate=True)
        elif encoding == "base64url":
            b = base64.b64decode(raw + b"=" * (-len(raw) % 4), altchars=b"-_", validate=True)
        else:
            b = raw
    except ValueError:
        return None
    return b if encode(encoding, b) == raw else None


@dataclass
class Key:
    """A secret decoded for its scheme: bytes of a MAC or token, or a public key."""

    scheme: Mapping[str, Any]
    secret: bytes = b""
    public: bytes = b""


class SecretError(ValueError):
    """Why a text cannot be a secret; never repeats it."""


def decode_key(d: Dialect, secret: str) -> Key:
    if not isinstance(secret, str) or secret == "":
        raise SecretError("is empty")
    if re.search(r"[\x00-\x1f\x7f-\x9f]", secret):
        raise SecretError("has control characters")
    if secret.strip() != secret:
        raise SecretError("begins or ends with white space")
    prefixes = []
    for scheme in d["signature"]["schemes"]:
        rule = scheme["key"]
        prefix, public_prefix = rule.get("prefix", ""), rule.get("public_prefix", "")
        if public_prefix and secret.startswith(public_prefix):
            b = decode(rule["decoding"], secret[len(public_prefix) :])
            if b is None or len(b) != 32:
                raise SecretError("is not a public key of 32 bytes")
            return Key(scheme, public=b)
        if secret.startswith(prefix):
            return _scheme_key(scheme, secret[len(prefix) :])
        prefixes.append(prefix)
    raise SecretError("does not begin with " + " or ".join(prefixes))


def _scheme_key(scheme: Mapping[str, Any], text: str) -> Key:
    rule = scheme["key"]
    b = decode(rule["decoding"], text)
    if rule["decoding"] == "base64":
        # Libraries are lax about the last bits of base64; a secret that they take is taken here.
        lax = len(text) % 4 == 0 and re.fullmatch(r"[A-Za-z0-9+/]*={0,2}", text)
        b = base64.b64decode(text) if lax else None
    if b is None:
        raise SecretError(f"is not {rule['decoding']} behind its prefix")
    if scheme["algorithm"] == "ed25519":
        return _private_key(scheme, b)
    least, most = rule.get("min_bytes") or 1, rule.get("max_bytes") or 0
    if len(b) < least or most and len(b) > most:
        raise SecretError(f"decodes to {len(b)} bytes; {least} to {most or 'any number of'} make a key")
    return Key(scheme, secret=b)


def _private_key(scheme: Mapping[str, Any], b: bytes) -> Key:
    """A seed, or a seed with its public key behind it, verifies with the public one."""
    if len(b) not in (32, 64):
        raise SecretError(f"decodes to {len(b)} bytes; an Ed25519 key has 32 or 64")
    public = _ed25519.public_key(b[:32])
    if len(b) == 64 and public != b[32:]:
        raise SecretError("has a public half that does not belong to its seed")
    return Key(scheme, public=public)


_HASHES = {"hmac-sha256": "sha256", "hmac-sha512": "sha512", "hmac-sha1": "sha1"}


def mac(key: Key, parts: Sequence[Optional[bytes]]) -> bytes:
    """The raw signature of a message's parts; None stands for the key."""
    algorithm = key.scheme["algorithm"]
    if algorithm == "token":
        return key.secret
    message = b"".join(key.secret if p is None else p for p in parts)
    if algorithm == "sha256":
        return hashlib.sha256(message).digest()
    return hmac.new(key.secret, message, _HASHES[algorithm]).digest()


_EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc)
_RFC3339 = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(\.\d+)?(Z|[+-]\d\d:\d\d)")


def parse_seconds(format: str, text: str) -> Optional[float]:
    """Seconds since 1970, also of times that datetime cannot hold."""
    if format in ("unix", "unix_millis"):
        return int(text) / (1 if format == "unix" else 1000) if re.fullmatch(r"[0-9]{1,15}", text) else None
    t = parse_time(format, text)
    return None if t is None else t.timestamp()


def parse_time(format: str, text: str) -> Optional[datetime.datetime]:
    try:
        if format in ("unix", "unix_millis"):
            if not re.fullmatch(r"[0-9]{1,15}", text):
                return None
            return _EPOCH + datetime.timedelta(milliseconds=int(text) * (1000 if format == "unix" else 1))
        m = _RFC3339.fullmatch(text)
        if not m:
            return None
        fraction = (m[2] or ".0")[:7].ljust(7, "0")  # fromisoformat of 3.9 wants six digits
        return datetime.datetime.fromisoformat(m[1] + fraction + m[3].replace("Z", "+00:00"))
    except (OverflowError, ValueError):
        return None

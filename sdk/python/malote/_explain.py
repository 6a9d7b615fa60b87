"""Tries the usual mistakes, one at a time, and names the one that would have
matched. It never turns a failure into a success."""

from __future__ import annotations

import base64
import binascii
import hmac
import json
import re
from typing import TYPE_CHECKING, Any, List, Mapping, Sequence, Tuple

from . import _dialect as dia

if TYPE_CHECKING:
    from ._verify import Check, Verdict

_MAX_EXPLAINED = 2  # secrets that an explanation is searched for
SIZES = {"hmac-sha1": 20, "hmac-sha256": 32, "hmac-sha512": 64, "ed25519": 64, "sha256": 32, "token": 32}
_NAMES = {"hex": "lower-case hex", "base64": "base64", "base64url": "base64url"}


def spelling(scheme: Mapping[str, Any]) -> str:
    behind = f" behind {scheme['prefix']}" if scheme.get("prefix") else ""
    return f"{SIZES[scheme['algorithm']]} bytes in {_NAMES.get(scheme.get('encoding', ''), 'no encoding')}{behind}"


def _malformed(detail: str) -> "Verdict":
    from ._verify import Verdict

    return Verdict(False, cause="malformed", detail=detail)


def _macs(keys: Sequence[dia.Key]) -> List[dia.Key]:
    return [k for k in keys if not k.public and k.scheme["algorithm"] != "token"][:_MAX_EXPLAINED]


def explain(c: "Check", keys: Sequence[dia.Key], secrets: Sequence[str]) -> "Verdict":
    from ._verify import Verdict

    v = c.mismatch()
    if not c.body:
        return Verdict(False, cause=v.cause, detail="the body is empty: was it read before it was verified? " + v.detail)
    found = _spelled_as(c, _macs(keys))
    if found:
        return _malformed(f"the signature is right, but written {found}; this dialect writes {spelling(c.items[0][0])}")
    if v.cause == "malformed":
        return v
    for change, body in _bodies(c.body):
        if body == c.body:
            continue
        c.read_parts(body)
        matched = any(c.matches(k) for k in _macs(keys))
        c.read_parts()
        if matched:
            return Verdict(False, cause="body_changed", detail="the secret is right, but the body was changed on the way: " + change)
    how = _other_reading(c, secrets)
    return Verdict(False, cause="wrong_secret", detail=how) if how else v


def explain_prefix(c: "Check", keys: Sequence[dia.Key], v: "Verdict") -> "Verdict":
    """Looks for a right signature where none was recognised."""
    from ._verify import Refused

    if c.items or c.sig.get("separator"):
        return v
    scheme = c.sig["schemes"][0]
    c.items = [(scheme, c.carrier)]
    try:
        c.read_time()
        c.read_parts()
    except Refused:
        return v
    found = _spelled_as(c, _macs(keys))
    if not found:
        return v
    return _malformed(f"the signature is right, but written {found} and without what this dialect puts before it; it writes {spelling(scheme)}")


def _spelled_as(c: "Check", keys: Sequence[dia.Key]) -> str:
    """Finds a right signature that is written in another way."""
    for key in keys:
        want = dia.mac(key, c.parts)
        for _, text in c.items:
            for name, raw in _spellings(text):
                if hmac.compare_digest(raw, want):
                    return name
    return ""


def _spellings(text: str) -> List[Tuple[str, bytes]]:
    """Decodes a signature in every way that it may have been written."""
    out: List[Tuple[str, bytes]] = []
    m = re.match(r"[^=,:]{0,9}[=,:](?=.)", text, re.S)
    behind, rest = (" behind " + m[0], text[m.end() :]) if m else ("", text)
    if re.fullmatch(r"(?:[0-9a-fA-F]{2})+", rest):
        name = "in hex" if rest.lower() == rest else "in hex with upper-case letters"
        out.append((name + behind, binascii.unhexlify(rest)))
    plain = rest.rstrip("=")
    padded = plain + "=" * (-len(plain) % 4)
    if len(plain) % 4 != 1:
        if re.fullmatch(r"[A-Za-z0-9+/]+", plain):
            out.append(("in base64" + behind, base64.b64decode(padded)))
        if re.fullmatch(r"[A-Za-z0-9_-]+", plain):
            out.append(("in base64url" + behind, base64.urlsafe_b64decode(padded)))
    return out


_STRINGS = re.compile(rb'"(?:[^"\\]|\\.)*"|[ \t\r\n]+', re.S)


def _bodies(raw: bytes) -> List[Tuple[str, bytes]]:
    """What may have been signed if a usual mistake changed the body since."""
    out = [
        ("a line end was added behind it", raw.rstrip(b"\r\n")),
        ("the line end behind it was cut off", raw + b"\n"),
        ("a byte order mark was put before it", raw[3:] if raw.startswith(b"\xef\xbb\xbf") else raw),
        ("its line ends were turned into CRLF", raw.replace(b"\r\n", b"\n")),
        ("its line ends were turned into LF", raw.replace(b"\n", b"\r\n")),
    ]
    try:
        json.loads(raw.decode("utf-8"))
    except (ValueError, RecursionError):
        return out
    compact = _STRINGS.sub(lambda m: m[0] if m[0][:1] == b'"' else b"", raw)
    parser = "verify the raw bytes, before any JSON parser"
    out.append((f"it was parsed and written again with other white space; {parser}", compact))
    plain = _STRINGS.sub(lambda m: json.dumps(json.loads(m[0]), ensure_ascii=False).encode("utf-8", "surrogatepass"), compact)
    return [*out, (f"it was parsed and written again with other escapes; {parser}", plain)]


def _other_reading(c: "Check", secrets: Sequence[str]) -> str:
    """Finds the way in which the sender read the secret."""
    for secret in secrets[:_MAX_EXPLAINED]:
        for how, b in _readings(str(secret)):
            for scheme in c.sig["schemes"]:
                if scheme["algorithm"] not in ("ed25519", "token") and c.matches(dia.Key(scheme, secret=b)):
                    return f"the signature matches with the secret {how}; in this dialect the key is {_reading(scheme['key'])}"
    return ""


def _reading(rule: Mapping[str, Any]) -> str:
    if rule["decoding"] != "verbatim":
        return f"{rule['decoding']} decoded behind {rule.get('prefix') or 'nothing'}"
    return f"the text behind {rule['prefix']}" if rule.get("prefix") else "the whole text as it stands"


def _readings(secret: str) -> List[Tuple[str, bytes]]:
    """The keys that a secret may have been taken for."""
    out = [("taken as it stands", secret.encode("utf-8")), ("and a line end behind it", (secret + "\n").encode("utf-8"))]
    i = secret.find("_") + 1
    rest = secret[i:]
    if i > 0:
        out.append((f"without its prefix {secret[:i]}", rest.encode("utf-8")))
    for encoding in ("base64", "hex"):
        b = dia.decode(encoding, rest.lower() if encoding == "hex" else rest)
        if b:
            out.append((f"decoded from {encoding}", b))
    return out

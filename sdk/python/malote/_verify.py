"""Verifies deliveries of any dialect, as the Go package webhook does: same
rules, same causes, same vectors."""

from __future__ import annotations

import copy
import datetime
import hashlib
import hmac
import json
import time
from dataclasses import dataclass, field
from typing import Any, Dict, List, Mapping, Optional, Sequence, Tuple, Union

from . import _dialect as dia
from . import _ed25519, _explain

# Bounds of what a stranger can make a verification do.
_MAX_CARRIER = 8 << 10
_MAX_ITEMS = 16
_MAX_DIAGNOSE = 64 << 10


@dataclass(frozen=True)
class Verdict:
    """What verification found."""

    ok: bool
    proof: str = ""  # verified, or authenticated: nothing is known of the body
    cause: str = ""  # no_secret, missing_header, malformed, clock, wrong_secret, body_changed, wrong_secret_or_body
    detail: str = ""  # the probable cause in words; for logs, not for the sender

    def __bool__(self) -> bool:
        return self.ok


class VerificationError(Exception):
    """Raised by unwrap where a delivery does not verify or cannot be read."""

    def __init__(self, verdict: Verdict) -> None:
        super().__init__(f"{verdict.cause}: {verdict.detail}")
        self.cause = verdict.cause
        self.detail = verdict.detail


@dataclass
class Event:
    """A delivery as its receiver reads it; what the dialect does not send is None."""

    data: Any
    id: Optional[str] = None  # the same for every delivery of the event: take each once
    type: Optional[str] = None
    time: Optional[datetime.datetime] = None
    endpoint: Optional[str] = None
    consumer: Optional[str] = None
    attempt: Optional[int] = None


class Refused(Exception):
    """A failed check of the request that is being read."""

    def __init__(self, cause: str, detail: str) -> None:
        super().__init__(detail)
        self.verdict = Verdict(False, cause=cause, detail=detail)


@dataclass
class Check:
    """One request being verified."""

    dialect: dia.Dialect
    pairs: List[Tuple[str, str]]
    body: bytes
    now: float
    carrier: str = ""
    items: List[Tuple[Mapping[str, Any], str]] = field(default_factory=list)  # scheme, text behind its prefix
    stamp: str = ""
    time: Optional[float] = None
    parts: List[Optional[bytes]] = field(default_factory=list)

    @property
    def sig(self) -> Mapping[str, Any]:
        return self.dialect["signature"]  # type: ignore[no-any-return]

    def one(self, name: str) -> str:
        """Reads a header that must stand exactly once."""
        vs = dia.values(self.pairs, name)
        if not vs:
            raise Refused("missing_header", f"the header {name} is missing{self._looks_like()}")
        if len(vs) > 1:
            raise Refused("malformed", f"the header {name} stands {len(vs)} times")
        if vs[0] == "":
            raise Refused("malformed", f"the header {name} is empty")
        return vs[0]

    def _looks_like(self) -> str:
        for d in dia.DIALECTS:
            if d["name"] != self.dialect.get("name") and dia.values(self.pairs, d["signature"]["header"]):
                return f"; the request carries {d['signature']['header']}, as the dialect {d['name']} does"
        return ""

    def read(self) -> None:
        name = self.sig["header"]
        carrier = self.one(name)
        if len(carrier) > _MAX_CARRIER:
            raise Refused("malformed", f"the header {name} is too long; at most {_MAX_CARRIER} bytes are read")
        self.carrier = carrier
        self._read_items()
        self.read_time()
        self.read_parts()

    def _read_items(self) -> None:
        name, separator, stamp = self.sig["header"], self.sig.get("separator"), self.sig.get("timestamp") or {}
        texts = [s.strip() for s in self.carrier.split(separator)] if separator else [self.carrier]
        for text in texts:
            item = stamp.get("item")
            if item and text.startswith(item):
                if self.stamp:
                    raise Refused("malformed", f"the header {name} holds {item} twice")
                self.stamp = text[len(item) :]
            for scheme in self.sig["schemes"]:
                prefix = scheme.get("prefix", "")
                if text.startswith(prefix):
                    self.items.append((scheme, text[len(prefix) :]))
        if not self.items:
            prefixes = " or ".join(s.get("prefix", "") for s in self.sig["schemes"])
            raise Refused("malformed", f"the header {name} holds no signature that begins with {prefixes}")
        if len(self.items) > _MAX_ITEMS:
            raise Refused("malformed", f"the header {name} holds {len(self.items)} signatures; at most {_MAX_ITEMS} are read")

    def read_time(self) -> None:
        t = self.sig.get("timestamp")
        if not t:
            return
        if t.get("header"):
            self.stamp = self.one(t["header"])
        elif not self.stamp:
            raise Refused("malformed", f"the header {self.sig['header']} holds no {t['item']}")
        self.time = dia.parse_seconds(t["format"], self.stamp)
        if self.time is None:
            raise Refused("malformed", f"the timestamp is not in the format {t['format']}")

    def read_parts(self, body: Optional[bytes] = None) -> None:
        """Lists the bytes that were signed, in order; None stands for the key."""
        raw = self.body if body is None else body
        self.parts = []
        for hole, literal in dia.template(self.sig.get("message") or ""):
            if hole == "":
                self.parts.append(literal.encode("utf-8"))
            elif hole == "body":
                self.parts.append(raw)
            elif hole == "body_sha256":
                self.parts.append(hashlib.sha256(raw).hexdigest().encode())
            elif hole == "timestamp":
                self.parts.append(self.stamp.encode("utf-8"))
            elif hole == "secret":
                self.parts.append(None)
            else:
                self.parts.append(self.one(hole[len("header:") :]).encode("latin-1", "replace"))

    def matches(self, key: dia.Key) -> bool:
        """Says whether one of the signatures is what the key makes of the message."""
        texts = [text for scheme, text in self.items if scheme is key.scheme]
        if key.public:
            message = b"".join(p or b"" for p in self.parts)
            sigs = [dia.decode(key.scheme["encoding"], text) for text in texts]
            return any(s is not None and len(s) == 64 and _ed25519.verify(key.public, message, s) for s in sigs)
        # The texts are compared, so that only the one spelling that the dialect
        # writes passes; as digests, for a token's length would show.
        want = hashlib.sha256(dia.encode(key.scheme.get("encoding", ""), dia.mac(key, self.parts))).digest()
        matched = False
        for text in texts:
            got = hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()
            matched = hmac.compare_digest(want, got) or matched
        return matched

    def judge_clock(self) -> Verdict:
        off = self.clock_off()
        if off:
            return Verdict(False, cause="clock", detail="the signature is right, but " + off)
        return Verdict(True, proof="authenticated" if self.items[0][0]["algorithm"] == "token" else "verified")

    def clock_off(self) -> str:
        """Says by how much the timestamp is out of its tolerance."""
        t = self.sig.get("timestamp")
        if not t or self.time is None:
            return ""
        age, most = round(self.now - self.time, 6), dia.seconds(t["tolerance"])
        if age > most:
            return f"it was made {age:.0f} s ago and at most {most:.0f} s are allowed: the request was held back or replayed, or a clock is wrong"
        if age < -most:
            return f"its time lies {-age:.0f} s ahead and at most {most:.0f} s are allowed: a clock is wrong"
        return ""

    def mismatch(self) -> Verdict:
        """Says what can be said without searching."""
        for scheme, text in self.items:
            raw = dia.decode(scheme.get("encoding", ""), text)
            if scheme["algorithm"] == "token" or raw is not None and len(raw) == _explain.SIZES[scheme["algorithm"]]:
                break
        else:
            writes = _explain.spelling(self.items[0][0])
            return Verdict(False, cause="malformed", detail=f"the header {self.sig['header']} holds nothing that could be a signature: this dialect writes {writes}")
        off = self.clock_off()
        detail = "the signature matches none of the secrets: another secret signed it, or the body is not byte for byte what was signed"
        return Verdict(False, cause="wrong_secret_or_body", detail=detail + (f"; besides, {off}" if off else ""))


def _raw(body: Any) -> bytes:
    if isinstance(body, (bytes, bytearray, memoryview)):
        return bytes(body)
    raise TypeError("malote: body must be the raw bytes as they came in: request.get_data() in Flask, request.body in Django, before any JSON parser")


def _now(now: Union[None, float, datetime.datetime]) -> float:
    if now is None:
        return time.time()
    return now.timestamp() if isinstance(now, datetime.datetime) else float(now)


def verify(
    headers: dia.Headers,
    body: bytes,
    secrets: Union[str, Sequence[str]],
    dialect: Union[str, dia.Dialect] = "standard",
    now: Union[None, float, datetime.datetime] = None,
) -> Verdict:
    """Judges a request's raw body, exactly the bytes that came in, against the
    secrets in force; any one of them may match. It raises only where it is
    called wrongly. now is a time or unix seconds."""
    d = dia.find(dialect)
    raw = _raw(body)
    given = [secrets] if isinstance(secrets, str) else list(secrets)
    detail = "no secret was given; nothing passes without one"
    keys: List[dia.Key] = []
    for s in given:
        try:
            keys.append(dia.decode_key(d, s))
        except dia.SecretError as e:
            detail = f"no secret can be used in the dialect {d.get('name')}: a secret {e}"
    if not keys:
        return Verdict(False, cause="no_secret", detail=detail)
    c = Check(d, dia.header_pairs(headers), raw, _now(now))
    diagnose = len(raw) <= _MAX_DIAGNOSE
    try:
        c.read()
    except Refused as e:
        return _explain.explain_prefix(c, keys, e.verdict) if diagnose and c.carrier else e.verdict
    if any([c.matches(k) for k in keys]):
        return c.judge_clock()
    return _explain.explain(c, keys, given) if diagnose else c.mismatch()


def unwrap(
    headers: dia.Headers,
    body: bytes,
    secrets: Union[str, Sequence[str]],
    dialect: Union[str, dia.Dialect] = "standard",
    now: Union[None, float, datetime.datetime] = None,
) -> Event:
    """Verifies a delivery and reads its event. Raises VerificationError."""
    verdict = verify(headers, body, secrets, dialect, now)
    if not verdict.ok:
        raise VerificationError(verdict)
    return _read_event(dia.find(dialect), dia.header_pairs(headers), _raw(body))


def _unreadable(detail: str) -> VerificationError:
    return VerificationError(Verdict(False, cause="malformed", detail="the signature is right, but " + detail))


def _read_event(d: dia.Dialect, pairs: List[Tuple[str, str]], raw: bytes) -> Event:
    try:
        parsed = json.loads(raw.decode("utf-8"))
    except (ValueError, RecursionError):
        raise _unreadable("the body is not JSON") from None
    shape = d["envelope"]["shape"]
    top = list(shape) if isinstance(shape, dict) else []
    event = Event(data=None)
    for hole in dia.holes(shape):
        if hole.path[:1] == ["..."]:
            event.data = {k: v for k, v in parsed.items() if k != "id" and k not in top}
            continue
        value = parsed
        for key in hole.path:
            if not isinstance(value, dict) or key not in value:
                raise _unreadable(f"/{'/'.join(hole.path)} is missing in the body")
            value = value[key]
        _set(event, hole, value)
    if event.id is None and isinstance(shape, dict) and "id" not in top and isinstance(parsed, dict) and isinstance(parsed.get("id"), str):
        event.id = parsed["id"]  # the id that some projects add
    for rule in d["headers"]:
        found, vs = dia.holes(rule["value"]), dia.values(pairs, rule["name"])
        if found and len(vs) == 1 and getattr(event, found[0].name, "") is None:
            _set(event, found[0], vs[0])
    return event


def _set(event: Event, hole: dia.Hole, value: Any) -> None:
    if hole.name == "data":
        event.data = value
    elif hole.name == "time":
        event.time = dia.parse_time(hole.format, str(value))
    elif hole.name == "attempt":
        event.attempt = int(value) if str(value).isdigit() else None
    elif hole.name in ("id", "type", "endpoint", "consumer"):
        setattr(event, hole.name, str(value))


def dialects() -> List[Dict[str, Any]]:
    """The built-in dialects."""
    return copy.deepcopy(dia.DIALECTS)

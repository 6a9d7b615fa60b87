"""Speaks the REST API of a Malote server. docs/api.md says what each call does."""

from __future__ import annotations

import datetime
import http.client
import json
import random
import re
import ssl
import time
import urllib.error
import urllib.parse
import urllib.request
import uuid
from typing import Any, Callable, Dict, Iterator, List, Mapping, Optional

JSON = Dict[str, Any]
_Call = Callable[..., JSON]

_FIRST_WAIT = 0.1
_LONGEST_ASK = 10.0  # seconds of a Retry-After that is followed
_AGAIN = (429, 502, 503, 504)
_MAX_ANSWER = 64 << 20


class MaloteError(Exception):
    """What a server answers when it refuses; status 0: there was no answer."""

    def __init__(self, message: str, status: int = 0, problem: Optional[Mapping[str, Any]] = None, retry_after: Optional[float] = None) -> None:
        super().__init__(message)
        problem = problem or {}
        self.status = status
        self.type = str(problem.get("type", "")).rpartition(":")[2]  # as in conflict, invalid-value, not-found
        self.title = str(problem.get("title", ""))
        self.detail = str(problem.get("detail", ""))
        self.errors: List[JSON] = problem.get("errors") or []
        self.fix = str(problem.get("fix", ""))
        self.request_id = str(problem.get("request_id", ""))
        self.retry_after = retry_after


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """An API does not move; a redirect must not take the key elsewhere."""

    def redirect_request(self, *args: Any, **kwargs: Any) -> None:
        return None


class Malote:
    """Speaks to one server with one key. Lists are walked to their end, page by
    page, as they are asked for. Safe for use by several threads."""

    def __init__(self, url: str, key: str, retries: int = 3, timeout: float = 60.0, context: Optional[ssl.SSLContext] = None) -> None:
        parts = urllib.parse.urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.username or parts.query or parts.fragment:
            raise ValueError(f"malote: {url!r} is not the URL of a server; write for example http://127.0.0.1:8400")
        if not re.fullmatch(r"[!-~]+", key or ""):
            raise ValueError("malote: the key is missing, or holds characters that no key has; copy it again")
        self._base = url.rstrip("/")
        self._key = key
        self._retries = retries
        self._timeout = timeout
        # No proxy of the environment gets the key unasked.
        handlers: List[Any] = [urllib.request.ProxyHandler({}), _NoRedirect()]
        if context is not None:
            handlers.append(urllib.request.HTTPSHandler(context=context))
        self._opener = urllib.request.build_opener(*handlers)
        self.events = _Events(self._call)
        self.endpoints = _Endpoints(self._call)
        self.deliveries = _Deliveries(self._call)
        self.replays = _Replays(self._call)
        self.consumers = _Consumers(self._call)

    def __repr__(self) -> str:
        return f"Malote({self._base!r})"

    def send(self, type: str, consumer: str, data: Any, **options: Any) -> JSON:
        """Short for events.send."""
        return self.events.send(type, consumer, data, **options)

    def _call(self, method: str, path: str, body: Any = None, query: Optional[Mapping[str, Any]] = None, idempotency_key: Optional[str] = None) -> JSON:
        text = None
        if body is not None:
            text = json.dumps(body, ensure_ascii=False, allow_nan=False, separators=(",", ":"), default=_write).encode("utf-8")
        again = method == "GET" or idempotency_key is not None
        attempt = 0
        while True:
            try:
                return self._once(method, path + _search(query), text, idempotency_key)
            except MaloteError as e:
                wait = _wait_before(attempt, e.retry_after)
                if not again or e.status not in (0, *_AGAIN) or attempt >= self._retries or wait is None:
                    raise
            attempt += 1
            time.sleep(wait)

    def _once(self, method: str, path: str, text: Optional[bytes], idempotency_key: Optional[str]) -> JSON:
        headers = {"Authorization": f"Bearer {self._key}", "Accept": "application/json", "User-Agent": "malote-python"}
        if text is not None:
            headers["Content-Type"] = "application/json"
        if idempotency_key is not None:
            headers["Idempotency-Key"] = idempotency_key
        request = urllib.request.Request(self._base + path, data=text, headers=headers, method=method)
        retry_after = ""
        try:
            with self._opener.open(request, timeout=self._timeout) as response:
                status, answer = response.status, response.read(_MAX_ANSWER)
        except urllib.error.HTTPError as e:
            with e:
                status, answer, retry_after = e.code, e.read(_MAX_ANSWER), e.headers.get("Retry-After") or ""
        except (OSError, http.client.HTTPException) as e:
            raise MaloteError(f"{method} {path}: no answer: {getattr(e, 'reason', e)}") from e
        try:
            parsed = json.loads(answer)
        except ValueError:
            parsed = None
        if 200 <= status <= 299 and isinstance(parsed, dict):
            return parsed
        problem = parsed if isinstance(parsed, dict) else {}
        why = problem.get("detail") or problem.get("title") or "the answer is not what this library knows"
        asked = float(retry_after) if re.fullmatch(r"\d{1,9}", retry_after) else None
        raise MaloteError(f"{method} {path}: {status}: {why}", status, problem, asked)


def _write(value: Any) -> str:
    if isinstance(value, datetime.datetime):
        return (value if value.tzinfo else value.astimezone()).isoformat()
    raise TypeError(f"malote: {type(value).__name__} is not JSON")


def _wait_before(attempt: int, retry_after: Optional[float]) -> Optional[float]:
    """Seconds before the next try: longer each time, or as the server asks; None: it asks for too much."""
    wait = _FIRST_WAIT * 2.0**attempt * random.uniform(0.5, 1.5)
    if retry_after is None or retry_after <= wait:
        return wait
    return retry_after if retry_after <= _LONGEST_ASK else None


def _search(query: Optional[Mapping[str, Any]]) -> str:
    given = {k: _write(v) if isinstance(v, datetime.datetime) else v for k, v in (query or {}).items() if v is not None and v != ""}
    return "?" + urllib.parse.urlencode(given) if given else ""


def _segment(id: str) -> str:
    """One segment of a path. What is no text would ask for something else."""
    if not isinstance(id, str) or id == "":
        raise ValueError("malote: the id is missing")
    return urllib.parse.quote(id, safe="")


class _Part:
    def __init__(self, call: _Call) -> None:
        self._call = call

    def _pages(self, path: str, query: Mapping[str, Any]) -> Iterator[JSON]:
        # from is a word of Python, so from_ is the parameter's name.
        query = {k.rstrip("_"): v for k, v in query.items()}
        while True:
            page = self._call("GET", path, query=query)
            yield from page["data"]
            if not page.get("next_cursor"):
                return
            query = {**query, "cursor": page["next_cursor"]}


class _Events(_Part):
    def send(self, type: str, consumer: str, data: Any, timestamp: Any = None, idempotency_key: Optional[str] = None,
             channels: Optional[List[str]] = None) -> JSON:
        """Sends an event. Without a key of yours one is made up, so that a repeat
        after a broken line keeps nothing twice."""
        event = {"type": type, "consumer": consumer, "data": data}
        if timestamp is not None:
            event["timestamp"] = timestamp
        if channels is not None:
            event["channels"] = channels
        return self._call("POST", "/v1/events", event, idempotency_key=idempotency_key or str(uuid.uuid4()))

    def send_batch(self, events: List[JSON], idempotency_key: Optional[str] = None) -> JSON:
        """Sends up to 1,000 events in one request; each has a result of its own."""
        return self._call("POST", "/v1/events/batch", {"events": events}, idempotency_key=idempotency_key or str(uuid.uuid4()))

    def get(self, id: str) -> JSON:
        return self._call("GET", f"/v1/events/{_segment(id)}")

    def list(self, **query: Any) -> Iterator[JSON]:
        """Filters: id, consumer, type, idempotency_key, channel, from_, until, limit."""
        return self._pages("/v1/events", query)

    def replay(self, id: str, endpoint_id: Optional[str] = None) -> JSON:
        """Sends it again: to all that got it and all of its consumer that want it today, or to one endpoint."""
        return self._call("POST", f"/v1/events/{_segment(id)}/replay", {} if endpoint_id is None else {"endpoint_id": endpoint_id})


class _Endpoints(_Part):
    def create(self, **endpoint: Any) -> JSON:
        """Fields: consumer, url, event_types, name, description, headers, secret, secret_type, rate_limit, concurrency, timeout, retry_schedule,
        channels, filter, auth, emails, enabled."""
        return self._call("POST", "/v1/endpoints", endpoint)

    def get(self, id: str) -> JSON:
        return self._call("GET", f"/v1/endpoints/{_segment(id)}")

    def list(self, **query: Any) -> Iterator[JSON]:
        """Filters: consumer, state, event_type, search, limit."""
        return self._pages("/v1/endpoints", query)

    def update(self, id: str, **change: Any) -> JSON:
        """Changes what is given; None clears."""
        return self._call("PATCH", f"/v1/endpoints/{_segment(id)}", change)

    def rotate_secret(self, id: str, idempotency_key: Optional[str] = None, **rotation: Any) -> JSON:
        """Gives it a new signing secret. Fields: secret, secret_type, secret_overlap. Without
        a key of yours one is made up, so that a repeat after a broken line makes no second one."""
        return self._call("POST", f"/v1/endpoints/{_segment(id)}/secret/rotate", rotation, idempotency_key=idempotency_key or str(uuid.uuid4()))

    def preview(self, **question: Any) -> JSON:
        """Which events an endpoint would get; changes nothing. Fields: endpoint_id, event_types,
        channels, filter, consumer, and events (samples), event_id, or type and limit."""
        return self._call("POST", "/v1/endpoints/preview", question)

    def delete(self, id: str) -> JSON:
        return self._call("DELETE", f"/v1/endpoints/{_segment(id)}")

    def pause(self, id: str) -> JSON:
        return self._call("POST", f"/v1/endpoints/{_segment(id)}/pause")

    def resume(self, id: str) -> JSON:
        return self._call("POST", f"/v1/endpoints/{_segment(id)}/resume")

    def test(self, id: str) -> JSON:
        """Sends the dialect's test event to this endpoint alone."""
        return self._call("POST", f"/v1/endpoints/{_segment(id)}/test")

    def recover(self, id: str, since: Any) -> JSON:
        """Sends again what failed since a time; gives the replay that does it."""
        return self._call("POST", f"/v1/endpoints/{_segment(id)}/recover", {"since": since}, idempotency_key=str(uuid.uuid4()))

    def replay_missing(self, id: str, since: Any) -> JSON:
        """Sends what it wants and never got since a time; gives the replay that does it."""
        return self._call("POST", f"/v1/endpoints/{_segment(id)}/replay-missing", {"since": since}, idempotency_key=str(uuid.uuid4()))


class _Deliveries(_Part):
    def get(self, id: str) -> JSON:
        return self._call("GET", f"/v1/deliveries/{_segment(id)}")

    def list(self, **query: Any) -> Iterator[JSON]:
        """Filters: event_id, endpoint_id, consumer, type, state, last_status, from_, until, limit."""
        return self._pages("/v1/deliveries", query)

    def attempts(self, id: str, **query: Any) -> Iterator[JSON]:
        """Oldest first: the request as it was sent and the answer as it came."""
        return self._pages(f"/v1/deliveries/{_segment(id)}/attempts", query)

    def retry(self, id: str) -> JSON:
        """Makes it due now; one that is over is tried once more."""
        return self._call("POST", f"/v1/deliveries/{_segment(id)}/retry")

    def cancel(self, id: str) -> JSON:
        return self._call("POST", f"/v1/deliveries/{_segment(id)}/cancel")


class _Replays(_Part):
    def create(self, kind: str, idempotency_key: Optional[str] = None, **replay: Any) -> JSON:
        """Starts one in the background: "recover" or "missed". Fields: endpoint_id, consumer, states,
        event_types, from_, until, and dry_run, which counts and does nothing."""
        body = {"kind": kind, **{k.rstrip("_"): v for k, v in replay.items()}}
        return self._call("POST", "/v1/replays", body, idempotency_key=idempotency_key or str(uuid.uuid4()))

    def get(self, id: str) -> JSON:
        return self._call("GET", f"/v1/replays/{_segment(id)}")

    def list(self, **query: Any) -> Iterator[JSON]:
        """Filters: endpoint_id, consumer, state, limit."""
        return self._pages("/v1/replays", query)

    def cancel(self, id: str) -> JSON:
        return self._call("POST", f"/v1/replays/{_segment(id)}/cancel")


class _Consumers(_Part):
    def put(self, uid: str, name: str = "") -> JSON:
        return self._call("PUT", f"/v1/consumers/{_segment(uid)}", {"name": name})

    def get(self, uid: str) -> JSON:
        return self._call("GET", f"/v1/consumers/{_segment(uid)}")

    def delete(self, uid: str) -> JSON:
        return self._call("DELETE", f"/v1/consumers/{_segment(uid)}")

"""What schemathesis has to know of this server.

KNOWN are the refusals that no schema can say beforehand. A failure is dropped
only where the answer names the field and the reason, and nothing else is wrong.
"""
import json
import os
import re
from urllib.parse import urlsplit

import schemathesis

SINK = os.environ["SINK"]  # host:port of a receiver on this machine

# Of the native API: the pointer or the name of the parameter, and the detail.
KNOWN = [
    # Only this server makes cursors, and each is of one list with its filters.
    (r"cursor", r"is not a cursor of this server|belongs to another list|is not of this list"),
    # JSON Schema takes 315.0 for an integer; this server does not.
    (r".*", r"is not a whole number; write it without fraction and exponent"),
    # The form of secrets is the dialect's; one that is sent is not made.
    (r"(/.*)?/secret", r"has the length \d+; standard takes|.*whsec_"),
    (r"/secret_type", r"is for a secret that the server makes"),
    # A key of one consumer may leave it out, that of a project may not.
    (r"(/.*)?/consumer", r"is missing"),
    # What one consumer's key cannot be given.
    (r"/scopes/\d+", r"cannot be given to a key of one consumer"),
    # Dialects are files that an operator can add.
    (r"/dialect", r".* is not a dialect of this server"),
    (r"/secret", r"no secret can be used in the dialect"),
    # A secret of an inspector needs one.
    (r"/dialect", r"is missing: it says how"),
    # Headers that no inspector sends, and lengths that the description has in characters.
    (r"/answer/headers/.*", r"is not sent by an inspector|is null|is given twice|has more than"),
    (r"/answer/body", r"is not base64|has \d+ bytes"),
    # Ids that this server made.
    (r"after", r"is not the id of a request"),
    # Labels of host names have lengths of their own.
    (r"/host", r".*"),
    # Keys that only the server makes, and what belongs to one that it makes.
    (r"/key", r"begins with mlt_"),
    (r"/prefix", r"is for a key that the server makes"),
    # A time to come.
    (r"/expires_at", r".*"),
    # From 2000 to a day from now.
    (r"(/.*)?/timestamp", r".*"),
    # What no pattern says of an origin: its host, and where plain http is allowed.
    (r"/portal_origins/\d+", r"is no origin|.*https?"),
    # What no pattern says of a picture.
    (r"/portal_logo", r"is not base64|is no picture|is a damaged picture|has \d+ bytes|is \d+ by \d+ pixels"),
    # Names, addresses and ports inside URLs; the corpus of hostile ones is elsewhere.
    (r"(/.*)?/url", r"(?!is missing|has more than)"),
    # Headers that the sender or the dialect sets; their size in all; a removal of what is not there.
    (r"/headers/.*", r"is set by the sender itself|belongs to the dialect|is null, which removes|is given twice|is \[redacted\]"),
    (r"/headers", r"would be \d+ headers of \d+ bytes"),
    # CEL, its types and its cost.
    (r"/filter", r"(?!has more than)"),
    # Members of another kind of authentication, PEM, and what stands in the endpoint already.
    (r"/auth/\w+", r"does not belong to the type \w+|is missing; the type \w+ needs it|is empty, and the password too|begins with the word Bearer|"
                   r"is \[redacted\]|is not PEM|sends the header|shows its certificate"),
    (r"/headers/.*", r"is sent by the endpoint's auth already"),
    # Sums, and things that are the same in other letters.
    (r"/retry_schedule", r"takes \d+ seconds in all"),
    (r"/(emails|channels)/\d+", r"is given twice"),
    # What no pattern says of an address: where its dots may stand.
    (r"/emails/\d+", r".*"),
    # What is named beside it, or is not there (any more), or is another consumer's.
    (r"/(event_id|type|limit)", r"chooses among stored events, and the request names its own"),
    (r"/(endpoint_id|event_id)", r"is no (endpoint|event) of this project|is not an endpoint of the consumer that is named|"
                                 r"names an endpoint that neither got this event nor wants it|is an endpoint of a consumer that the event is not for|"
                                 r"is of another consumer|is missing; a replay of what was missed is of one endpoint"),
    (r"(/events/\d+)?/consumer", r"is not the endpoint's|is another consumer than \S+; leave it out"),
    (r"/states", r"is for the kind recover"),
    (r"/states/\d+", r"is given twice"),
    (r"/(from|since)", r"is not before until|lies in the future"),
    # Of the clock: counts by the hour are kept for a month, those by the day for years.
    (r"interval", r"is minute, by which whole projects alone are counted"),
    (r"from", r"is too far back: counts by the (minute are kept for 120 minutes; ask with interval=hour|hour are kept for 31 days; ask with interval=day|day are kept for \d+ days)"),
    # Base64, and lengths that are of bytes.
    (r"/body", r"is not base64|has \d+ bytes"),
    (r"/secrets/\d+|/headers/\d+/value", r"has \d+ bytes"),
    # A stored event, or a sample.
    (r"/(type|data)", r"is a sample's, and the request names a stored event"),
    (r"/type", r"is missing; say which event type the data is of"),
    # One parameter against another.
    (r"from", r"is not before until"),
    (r"until", r"is too far from the start: at most \d+ intervals are counted at once"),
    # An event type's own schema, which another request may have set.
    (r"(/events/\d+)?/data(/.*)?|/examples/\d+(/.*)?", r".* the schema (asks for|requires|allows|does not allow)|is not allowed here by the schema|is (just )?what the schema does not allow"),
    # Which types there are, and whether one has an example.
    (r"/type", r"is not an event type of this project, so there is no example to send"),
    (r"/data", r"is missing: the event type \S+ has no example"),
    # What is no JSON Schema, or not one that this server evaluates.
    (r"/schema(/.*)?", r"is not what JSON Schema allows here|is not known here|names another version of JSON Schema|refers to|holds (the|a) pattern|"
                       r"is a number with more digits|has the \$(id|anchor) .* twice"),
    # What a type has already, and what stands in its path.
    (r"/schema", r"does not fit the type's own example \d+"),
    (r"/validate", r"needs a schema to validate with"),
    (r"/(replaced_by|deprecation)", r"is of a type that is deprecated; send deprecated as true, too"),
    (r"/replaced_by", r"is the type itself"),
    (r"/name", r"cannot be changed; create another type"),
    # An OpenAPI document is more than an object.
    (r"/openapi(/.*)?", r"is not 3\.1|is missing; event types are read from that section|is not an OpenAPI document"),
]

# Of the companies' own APIs, which say it in one sentence.
KNOWN_WORDS = [
    r"(config\.)?url (?!is required|is missing|has more than).*",
    # The description counts characters.
    r"(config\.)?secret has the length (25[7-9]|2[6-9]\d|[3-9]\d\d|\d{4,}); \w+ takes 8 to 256 bytes",
    r"headers\.\S* (is set by the sender itself|belongs to the dialect) .*",
]


@schemathesis.hook
def before_call(context, case, kwargs):
    """Deliveries go to a receiver on this machine, whatever host was made up."""
    wait = (case.query or {}).get("wait", "20s") if case.operation.path.endswith("/requests/next") else ""
    if re.fullmatch(r"\d+s?", str(wait)) and int(str(wait).rstrip("s")) <= 30:  # nothing arrives
        case.query = {**(case.query or {}), "wait": "0s"}
    body = case.body
    if not isinstance(body, dict):
        return
    for holder in (body, body.get("config")):
        if isinstance(holder, dict) and isinstance(holder.get("url"), str):
            holder["url"] = local(holder["url"])


def local(url):
    try:
        parts = urlsplit(url)
    except ValueError:
        return "http://" + SINK + "/odd"
    if parts.scheme.lower() not in ("http", "https"):
        return url
    return "http://" + SINK + url[len(parts.scheme) + 3 + len(parts.netloc):]


@schemathesis.hook
def filter_failure(context, failure, case, response):
    """Keeps every failure but those that KNOWN explains."""
    if type(failure).__name__ != "RejectedPositiveData" or response.status_code not in (400, 422):
        return True
    try:
        problem = json.loads(response.content)
    except ValueError:
        return True
    if "errors" in problem:
        return not all(known(e) for e in problem["errors"])
    words = problem.get("message") or problem.get("error") or ""
    return not any(re.fullmatch(k, words) for k in KNOWN_WORDS)


def known(error):
    place = error.get("pointer", error.get("parameter", error.get("header", "")))
    return any(re.fullmatch(p, place) and re.match(d, error["detail"]) for p, d in KNOWN)

"""A Flask receiver as the contracts' consumers write it: raw bytes first,
then HMAC, 401 on a mismatch, 200 at once."""
import base64
import datetime
import hashlib
import hmac
import json
import logging
import os
import sys
import threading
import time

from flask import Flask, jsonify, request
from werkzeug.serving import make_server

app = Flask(__name__)
logging.getLogger("werkzeug").setLevel(logging.ERROR)
lock = threading.Lock()


def secret_of(path):
    with open(os.environ["SECRETS"], encoding="utf-8") as f:
        return json.load(f)[path]


def report(**line):
    with lock:
        print(json.dumps(line), flush=True)


def hex_matches(value, prefix, raw, secret):
    value = value or ""
    if prefix and value.startswith(prefix):
        value = value[len(prefix):]
    want = hmac.new(secret.encode("utf-8"), raw, hashlib.sha256).hexdigest()
    return hmac.compare_digest(value, want)


def standard(headers, raw, secret):
    key = base64.b64decode(secret.removeprefix("whsec_"))
    stamp = headers.get("webhook-timestamp", "")
    if abs(time.time() - int(stamp or 0)) > 300:
        return False
    signed = f"{headers.get('webhook-id')}.{stamp}.".encode() + raw
    want = "v1," + base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
    return any(hmac.compare_digest(s, want) for s in headers.get("webhook-signature", "").split(" "))


VERIFY = {
    "gabinete360": lambda h, raw, s: hex_matches(h.get("x-argos-signature"), "", raw, s),
    "connectvets": lambda h, raw, s: hex_matches(h.get("X-ConnectVets-Signature"), "sha256=", raw, s),
    "habilitar": lambda h, raw, s: hex_matches(h.get("x-signature"), "", raw, s),
    "placaflow": lambda h, raw, s: hex_matches(h.get("X-Signature-256"), "", raw, s),
    "tarefa": lambda h, raw, s: hex_matches(h.get("X-Webhook-Signature"), "sha256=", raw, s),
    "standard": standard,
}


@app.post("/<contract>/<path:rest>")
def receive(contract, rest):
    raw = request.get_data()
    ok = VERIFY[contract](request.headers, raw, secret_of(request.path))
    try:
        json.loads(raw)
        is_json = True
    except ValueError:
        is_json = False
    report(path=request.path, headers=[list(h) for h in request.headers.items()],
           body=base64.b64encode(raw).decode(), verified=ok, json=is_json)
    if not ok:
        return jsonify(error="Invalid signature"), 401
    now = datetime.datetime.now(datetime.timezone.utc).isoformat()
    return jsonify(received=True, processedAt=now), 200


def main():
    server = make_server("127.0.0.1", 0, app, threaded=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    print(json.dumps({"listening": f"127.0.0.1:{server.server_port}"}), flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    main()

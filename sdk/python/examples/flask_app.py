# A receiver with Flask: pip install flask malote, then
# PORT=3000 DIALECT=standard WEBHOOK_SECRET=whsec_… python flask_app.py
import os

from flask import Flask, request
from malote import VerificationError, unwrap

app = Flask(__name__)


@app.post("/webhooks")
def receive():
    event = unwrap(request.headers, request.get_data(), os.environ["WEBHOOK_SECRET"], os.environ["DIALECT"])
    app.logger.warning("event %s %s %s", event.id, event.type, event.data)  # take each id once, and do the work later
    return "", 204


@app.errorhandler(VerificationError)
def refuse(error):
    app.logger.warning("%s", error)  # why, for you; the sender sees 401 only
    return "", 401


app.run("127.0.0.1", int(os.environ["PORT"]))

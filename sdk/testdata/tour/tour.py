"""Goes through all of the client against a real server. RECEIVER is a URL that
answers 200."""

import datetime
import os
import time

from malote import Malote, MaloteError


def refused(status, type, call, *args, **kwargs):
    try:
        call(*args, **kwargs)
    except MaloteError as e:
        assert (e.status, e.type) == (status, type) and e.fix, (e.status, e.type)
        return
    raise AssertionError("not refused")


malote = Malote(os.environ["MALOTE_URL"], os.environ["MALOTE_KEY"])
url = os.environ["RECEIVER"]
e = malote.endpoints.create(consumer="tour-python", url=url, event_types=["tour.*"], headers={"X-Tour": "1"})
assert e["id"] and e["secret"] and e["state"] == "active"
assert malote.endpoints.get(e["id"])["url"] == url
assert [x["id"] for x in malote.endpoints.list(consumer="tour-python", limit=1)] == [e["id"]]
assert malote.endpoints.update(e["id"], description="ção", headers={"X-Tour": None})["description"] == "ção"
own = {"channels": ["store-7"], "filter": "data.n > 1.0", "retry_schedule": [60, 300], "timeout": 5, "concurrency": 2, "auth": {"type": "bearer", "token": "t0ken"}}
settled = malote.endpoints.update(e["id"], **own)
assert settled == {**settled, **own, "auth": {"type": "bearer", "token": "[redacted]"}}
samples = [{"type": "tour.a", "data": {"n": 2}, "channels": ["store-7"]}, {"type": "tour.a", "data": {"n": 2}}]
assert [r["reason"] for r in malote.endpoints.preview(endpoint_id=e["id"], events=samples)["results"]] == [None, "channel"]
rotated = malote.endpoints.rotate_secret(e["id"], secret_overlap=60, idempotency_key="tour-python-r")
assert malote.endpoints.rotate_secret(e["id"], secret_overlap=60, idempotency_key="tour-python-r")["secret"] == rotated["secret"]
assert [x["id"] for x in malote.endpoints.list(state="active", event_type="tour.a", search=url)] == [e["id"]]
assert malote.endpoints.pause(e["id"])["state"] == "paused"
assert malote.endpoints.resume(e["id"])["state"] == "active"
assert malote.endpoints.test(e["id"])["deliveries"] == 1

data = {"text": 'João & "日本"', "n": 12345678901234567890}
sent = malote.send("tour.began", "tour-python", data, idempotency_key="tour-python-1", channels=["store-7"])
assert sent["deliveries"] == 1
again = malote.send("tour.began", "tour-python", data, idempotency_key="tour-python-1", channels=["store-7"])
assert again["id"] == sent["id"] and again["duplicate"]
refused(409, "idempotency-key-reused", malote.send, "tour.began", "tour-python", 2, idempotency_key="tour-python-1")
assert malote.events.get(sent["id"])["data"] == data
assert sent["id"] in [x["id"] for x in malote.events.list(consumer="tour-python", type="tour.began")]
event = {"type": "tour.began", "consumer": "tour-python", "data": data}
batch = malote.events.send_batch([event, {**event, "type": "not a type"}])
assert (batch["accepted"], batch["refused"]) == (1, 1)

(delivery,) = malote.deliveries.list(event_id=sent["id"])
until = time.monotonic() + 10
while malote.deliveries.get(delivery["id"])["state"] != "delivered":
    assert time.monotonic() < until, "not delivered"
    time.sleep(0.02)
assert next(malote.deliveries.attempts(delivery["id"]))["response"]["status"] == 200
refused(409, "conflict", malote.deliveries.cancel, delivery["id"])
assert malote.deliveries.retry(delivery["id"])["state"] == "pending"
assert malote.events.replay(sent["id"], e["id"]) == {"event_id": sent["id"], "again": [delivery["id"]], "new": []}
since = datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(hours=1)
assert malote.replays.create("missed", endpoint_id=e["id"], from_=since, dry_run=True) == {"dry_run": {"matched": 0, "more": False}}
replays = [malote.endpoints.recover(e["id"], since), malote.endpoints.replay_missing(e["id"], since)]
for r in replays:
    until = time.monotonic() + 10
    while malote.replays.get(r["id"])["state"] != "done":
        assert time.monotonic() < until, "not done"
        time.sleep(0.02)
    refused(409, "conflict", malote.replays.cancel, r["id"])
assert [r["id"] for r in malote.replays.list(endpoint_id=e["id"], limit=1)] == [r["id"] for r in reversed(replays)]
assert malote.consumers.put("tour-python", "Tour")["name"] == "Tour"
assert malote.consumers.get("tour-python")["name"] == "Tour"
assert malote.endpoints.delete(e["id"])["deleted"] is True
refused(404, "not-found", malote.endpoints.get, e["id"])
print("all done")

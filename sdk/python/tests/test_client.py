"""The client against a server that answers from a list."""

import datetime
import http.server
import json
import threading
import unittest

from malote import Malote, MaloteError, dialects, verify


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, answers: list) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.answers, self.asked = answers, []
        self.thread = threading.Thread(target=self.serve_forever, args=(0.01,))
        self.thread.start()

    def close(self) -> None:
        self.shutdown()
        self.thread.join()
        self.server_close()


class Handler(http.server.BaseHTTPRequestHandler):
    def answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.server.asked.append((self.command, self.path, dict(self.headers), body.decode()))
        status, answer, headers = (*self.server.answers.pop(0), {}, {})[:3] if self.server.answers else (200, {}, {})
        if status == 0:
            self.close_connection = True
            return
        text = json.dumps(answer).encode()
        self.send_response(status)
        for name, value in {"Content-Length": str(len(text)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(text)

    do_GET = do_POST = do_PATCH = do_PUT = do_DELETE = answer

    def log_message(self, *args: object) -> None:
        pass


class Client(unittest.TestCase):
    def server(self, *answers: tuple) -> "tuple[Server, Malote]":
        server = Server(list(answers))
        self.addCleanup(server.close)
        return server, Malote(f"http://127.0.0.1:{server.server_port}/", "mlt_dev_x")

    def test_event_is_repeated_with_the_same_key(self) -> None:
        server, malote = self.server((0, {}), (503, {"detail": "stopping"}, {"Retry-After": "0"}), (202, {"id": "evt_1", "deliveries": 1}))
        self.assertEqual(malote.send("a.b", "acme", {"n": 1, "s": "ção"})["id"], "evt_1")
        self.assertEqual(len(server.asked), 3)
        self.assertEqual(len({headers["Idempotency-Key"] + body for _, _, headers, body in server.asked}), 1)
        self.assertEqual(server.asked[0][2]["Authorization"], "Bearer mlt_dev_x")
        self.assertIn("ção", server.asked[0][3])

    def test_what_is_not_safe_is_not_repeated(self) -> None:
        problem = {"type": "urn:malote:problem:conflict", "title": "T", "detail": "D", "fix": "F", "request_id": "req_1", "errors": [{"detail": "x"}]}
        moved = {"Location": "http://127.0.0.1:1/"}
        server, malote = self.server((503, {}), (409, problem), (429, {}, {"Retry-After": "3600"}), (302, {}, moved))
        with self.assertRaises(MaloteError) as e:
            malote.endpoints.create(url="https://example.com", event_types=["*"])
        self.assertEqual(e.exception.status, 503)
        with self.assertRaises(MaloteError) as e:
            malote.send("a", "b", None)
        x = e.exception
        self.assertEqual((x.status, x.type, x.fix, x.request_id, len(x.errors)), (409, "conflict", "F", "req_1", 1))
        for status, after in ((429, 3600.0), (302, None)):
            with self.assertRaises(MaloteError) as e:
                malote.endpoints.get("ep_1")
            self.assertEqual((e.exception.status, e.exception.retry_after), (status, after))
        self.assertEqual(len(server.asked), 4)

    def test_lists_are_walked_to_their_end(self) -> None:
        pages = [{"data": [{"id": "a"}, {"id": "b"}], "next_cursor": "x y"}, {"data": [], "next_cursor": "z"}, {"data": [{"id": "c"}], "next_cursor": None}]
        server, malote = self.server(*((200, p) for p in pages))
        since = datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc)
        self.assertEqual([d["id"] for d in malote.deliveries.list(state="failed", from_=since, type=None)], ["a", "b", "c"])
        want = "/v1/deliveries?state=failed&from=1970-01-01T00%3A00%3A00%2B00%3A00"
        self.assertEqual([path for _, path, _, _ in server.asked], [want, want + "&cursor=x+y", want + "&cursor=z"])

    def test_ids_are_escaped(self) -> None:
        server, malote = self.server((200, {}))
        malote.consumers.get("a/b?c")
        self.assertEqual(server.asked[0][1], "/v1/consumers/a%2Fb%3Fc")
        for wrong in ("", None):
            with self.assertRaises(ValueError):
                malote.endpoints.delete(wrong)
        with self.assertRaises(ValueError):
            malote.send("a", "b", float("nan"))
        self.assertEqual(len(server.asked), 1)

    def test_wrong_options_are_refused_and_the_key_is_not_shown(self) -> None:
        for url, key in (("", "k"), ("ftp://x", "k"), ("http://a:b@x", "k"), ("http://x", ""), ("http://x", "a b"), ("http://x?y", "k")):
            with self.assertRaises(ValueError):
                Malote(url, key)
        self.assertNotIn("secret", repr(Malote("http://127.0.0.1:1", "mlt_dev_secret")))


class Verify(unittest.TestCase):
    def test_says_how_it_wants_to_be_called(self) -> None:
        with self.assertRaisesRegex(TypeError, "raw bytes"):
            verify({}, "text", "s")
        with self.assertRaisesRegex(ValueError, "no dialect nobody"):
            verify({}, b"", "s", "nobody")
        self.assertEqual(verify({}, b"", []).cause, "no_secret")
        self.assertIn("github", [d["name"] for d in dialects()])

    def test_headers_come_in_every_form(self) -> None:
        name, value = "X-Hub-Signature-256", "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"
        for headers in ({name: value}, {name.lower(): [value]}, [(name, value)], [(name.lower().encode(), value.encode())]):
            v = verify(headers, b"Hello, World!", "It's a Secret to Everybody", "github")
            self.assertTrue(v and v.proof == "verified", v)


if __name__ == "__main__":
    unittest.main()

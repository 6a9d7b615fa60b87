"""Judges the requests of standard input: a line "cause proof" for each."""

import base64
import json
import sys

import malote

for v in json.load(sys.stdin.buffer):
    got = malote.verify(v["headers"], base64.b64decode(v["body"] or ""), v["secrets"], v["dialect"], v["now"])
    print(got.cause, got.proof)

"""The vectors that every language judges alike."""

import base64
import json
import pathlib
import unittest

import malote
from malote import _ed25519

VECTORS = json.loads((pathlib.Path(__file__).parents[2] / "testdata" / "vectors.json").read_text("utf-8"))


class Vectors(unittest.TestCase):
    def test_vectors(self) -> None:
        self.assertGreater(len(VECTORS), 250)
        for v in VECTORS:
            with self.subTest(v["name"]):
                self.judge(v)

    def judge(self, v: dict) -> None:
        request = {"headers": v["headers"], "body": base64.b64decode(v["body"]), "secrets": v["secrets"], "dialect": v["dialect"], "now": v["now"]}
        got = malote.verify(**request)
        self.assertEqual((got.ok, got.proof, got.cause), (v["ok"], v.get("proof", ""), v.get("cause", "")), got.detail)
        for s in v["secrets"]:
            self.assertFalse(len(s) > 8 and s in repr(got), "the verdict repeats the secret")
        if not v["ok"]:
            self.assertGreater(len(got.detail), 10)
            with self.assertRaises(malote.VerificationError) as caught:
                malote.unwrap(**request)
            self.assertEqual(caught.exception.cause, v["cause"])
        elif "event" in v:
            e = malote.unwrap(**request)
            read = {k: x for k, x in vars(e).items() if x is not None}
            if e.time:
                read["time"] = round(e.time.timestamp() * 1000)
            self.assertEqual(read, v["event"])


class Ed25519(unittest.TestCase):
    """RFC 8032, section 7.1, in pure Python whatever else is installed."""

    CASES = [
        ("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60", "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a", "",
         "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b"),
        ("4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb", "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c", "72",
         "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00"),
    ]

    def test_rfc8032(self) -> None:
        for seed, public, message, signature in self.CASES:
            public_, message_, signature_ = bytes.fromhex(public), bytes.fromhex(message), bytes.fromhex(signature)
            self.assertEqual(_ed25519.public_key(bytes.fromhex(seed)), public_)
            self.assertTrue(_ed25519._python_verify(public_, message_, signature_))
            self.assertFalse(_ed25519._python_verify(public_, message_ + b"x", signature_))
            larger = int.from_bytes(signature_[32:], "little") + _ed25519._L  # the same point, not the same signature
            self.assertFalse(_ed25519._python_verify(public_, message_, signature_[:32] + larger.to_bytes(32, "little")))
            self.assertFalse(_ed25519._python_verify(b"\xff" * 32, message_, signature_))
            for i in (0, 31, 32, 63):
                wrong = bytearray(signature_)
                wrong[i] ^= 1
                self.assertFalse(_ed25519._python_verify(public_, message_, bytes(wrong)), i)


if __name__ == "__main__":
    unittest.main()

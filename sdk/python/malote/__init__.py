"""Send webhooks with Malote, manage endpoints, verify deliveries of any dialect."""

from ._client import Malote, MaloteError
from ._verify import Event, Verdict, VerificationError, dialects, unwrap, verify

__all__ = ["Event", "Malote", "MaloteError", "Verdict", "VerificationError", "dialects", "unwrap", "verify"]

"""Reads a call as tests/clients/hook.py notes it and says whether its signature is good: hook_signature.py SECRET < LINE.

SECRET is what `brevdue webhook add` prints.
"""

import base64
import hashlib
import hmac
import json
import sys
import time

call = json.load(sys.stdin)
fields = dict(part.split("=", 1) for part in call["headers"]["x-brevdue-signature"].split(","))
secret = base64.b64decode(sys.argv[1].removeprefix("whsec_"), validate=True)
signed = fields["t"].encode() + b"." + call["body"].encode("latin-1")
good = hmac.compare_digest(hmac.new(secret, signed, hashlib.sha256).hexdigest(), fields["v1"])
print("good" if good and abs(time.time() - int(fields["t"])) < 600 else "bad")

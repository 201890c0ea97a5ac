"""Judges what `callbook log proof --json` prints: a C2SP tlog-proof whose checkpoint is signed by the vkey given, and under
whose root the leaf stands. Standard library and `cryptography` only; the algorithm is that of RFC 9162 2.1.3.2."""

import base64
import hashlib
import json
import sys

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey


def node(left, right):
    return hashlib.sha256(b"\x01" + left + right).digest()


proof = json.load(sys.stdin)
name, key_id, data = sys.argv[1].split("+", 2)
key = base64.b64decode(data)
assert key[0] == 1 and hashlib.sha256(name.encode() + b"\n" + key).hexdigest()[:8] == key_id, "the vkey"

head, body, signatures = proof["text"].split("\n\n")
lines = head.split("\n")
assert lines[0] == "c2sp.org/tlog-proof@v1" and lines[1] == f"index {proof['index']}", "the first lines"
path = [base64.b64decode(line) for line in lines[2:]]

signed = (body + "\n").encode()
mark, signer, blob = signatures.rstrip("\n").split(" ")
blob = base64.b64decode(blob)
assert mark == "—" and signer == name and blob[:4].hex() == key_id, "the signature line"
Ed25519PublicKey.from_public_bytes(key[1:]).verify(blob[4:], signed)

origin, size, root = body.split("\n")
assert origin == name, "the origin"
at, last = proof["index"], int(size) - 1
found = hashlib.sha256(b"\x00" + proof["leaf"].encode()).digest()
for other in path:
    assert last > 0, "the path is too long"
    if at & 1 or at == last:
        found = node(other, found)
        while not at & 1 and at:
            at, last = at >> 1, last >> 1
    else:
        found = node(found, other)
    at, last = at >> 1, last >> 1
assert last == 0 and found == base64.b64decode(root), "the leaf is not under the root"
print(f"{origin} {size}")

#!/usr/bin/env python3
"""Draws an audit again from what is public: the population and the two leaves of the gov log (docs/audits.md).

usage: draw.py POPULATION CLOSE-LEAF DRAW-LEAF

Standard library only. Prints the drawn commitments, one a line, and exits 0; says what does not come out and exits 1.
The signatures of the leaves are for a client of the log to check (tests/judges/audit.py does), not for this program.
"""

import hashlib
import hmac
import json
import struct
import sys

WEIGHT = {"usual": 1, "weak": 2, "marked": 4}
KINDS = {"new", "renew", "contest", "*"}


class Wrong(Exception):
    """What does not come out."""


def leaf(text, kind):
    """The body of a signed leaf of the gov log."""
    tag, line = text.split("\n")[:2]
    if tag != "callbook/gov/v1":
        raise Wrong("this is no leaf of a gov log")
    read = json.loads(line)
    if read["type"] != kind:
        raise Wrong("this leaf is no " + kind)
    return read["body"]


def population(text):
    """Entity -> stratum -> commitments, strata in the order of their lines."""
    lines = text.split("\n")
    if lines[0] != "callbook/audit-population/v1" or not lines[1].startswith("period ") or lines[-1] != "":
        raise Wrong("this is no population")
    rows = lines[2:-1]
    if any(a.encode() >= b.encode() for a, b in zip(rows, rows[1:])):
        raise Wrong("the lines do not ascend")
    found = {}
    for row in rows:
        entity, methods, kind, risk, item = row.split(" ")
        if kind not in KINDS or risk not in WEIGHT or len(item) != 64:
            raise Wrong("a line is not of its form")
        stratum = " ".join((methods, kind, risk))
        found.setdefault(entity, {}).setdefault(stratum, []).append(bytes.fromhex(item))
    return lines[1][len("period "):], found, len(rows)


def size(closed, entity, count):
    """How many of an entity's tokens are drawn."""
    if entity in closed["full"]:
        return count
    share = -(-count * closed["permille"] // 1000)
    return min(max(share, closed["min"]), closed["max"], count)


def shares(strata, total):
    """How many of each stratum: (size, weight) in order."""
    if sum(n for n, _ in strata) <= total:
        return [n for n, _ in strata]
    given = [0] * len(strata)
    for _ in range(total):
        none_yet = [i for i, g in enumerate(given) if g == 0]
        fits = none_yet or [i for i, g in enumerate(given) if g < strata[i][0]]
        # The greatest quotient, as exact fractions; of equals the first.
        best = fits[0]
        for i in fits[1:]:
            (n, w), (m, v) = strata[i], strata[best]
            if n * w * (given[best] + 1) > m * v * (given[i] + 1):
                best = i
        given[best] += 1
    return given


def lp16(raw):
    return struct.pack(">H", len(raw)) + raw


def seed(said):
    beacon = said["beacon"] or {"chain": "", "round": 0, "value": ""}
    return hashlib.sha256(
        b"callbook/audit-seed/v1\0"
        + lp16(said["head"].encode())
        + lp16(beacon["chain"].encode())
        + struct.pack(">Q", beacon["round"])
        + lp16(bytes.fromhex(beacon["value"]))
    ).digest()


def draw(text, closed, said):
    if hashlib.sha256(text.encode()).hexdigest() != closed["population"]:
        raise Wrong("this is not the population that was committed to")
    period, entities, count = population(text)
    if not period == closed["period"] == said["period"]:
        raise Wrong("the months differ")
    if count != closed["count"]:
        raise Wrong("the count differs")
    key = seed(said)
    if key.hex() != said["seed"]:
        raise Wrong("the seed does not follow from head and beacon")
    drawn = []
    for entity, strata in entities.items():
        names = sorted(strata, key=lambda name: name.encode())
        total = size(closed, entity, sum(len(items) for items in strata.values()))
        sizes = [(len(strata[name]), WEIGHT[name.split(" ")[2]]) for name in names]
        for name, share in zip(names, shares(sizes, total)):
            ranked = sorted(strata[name], key=lambda item: hmac.new(key, item, hashlib.sha256).digest())
            drawn += ranked[:share]
    text = "callbook/audit-drawn/v1\n" + "".join(item.hex() + "\n" for item in sorted(drawn))
    if len(drawn) != said["count"] or hashlib.sha256(text.encode()).hexdigest() != said["drawn"]:
        raise Wrong("another sample comes out")
    return sorted(item.hex() for item in drawn)


def main():
    if len(sys.argv) != 4:
        print(__doc__, file=sys.stderr)
        return 2
    texts = [open(path, encoding="utf-8", newline="").read() for path in sys.argv[1:]]
    try:
        drawn = draw(texts[0], leaf(texts[1], "audit-close"), leaf(texts[2], "audit-draw"))
    except (Wrong, KeyError, ValueError, IndexError) as why:
        print(why, file=sys.stderr)
        return 1
    print("\n".join(drawn))
    return 0


if __name__ == "__main__":
    sys.exit(main())

#!/usr/bin/env python3
"""A roll of the ZSK under load, at any size: is a query answered late or bogus while it happens, and does memory grow?

    benches/zsk-roll.py CALLBOOK DIR [--seconds 120] [--load 10000]

DIR is an installation that is not running, such as one made by `callbook demo --numbers 1000000` and stopped; its numbers must be
those of the demo. A roll waits two hours for caches; so the service is started once to publish the next ZSK, and again with its
clock set forward (faketime), shortly before that key takes over. dnsperf asks for random numbers all the while. A prober beside it
asks too, one query at a time, and keeps every answer; afterwards dnspython validates each of them with the DNSKEY RRsets that
a cache could have had then. Needs: faketime, dnsperf, taskset, python3-dnspython with python3-cryptography. Loopback alone.
"""

import argparse
import glob
import json
import os
import random
import re
import socket
import statistics
import subprocess
import sys
import tempfile
import time

import dns.dnssec
import dns.flags
import dns.message
import dns.name
import dns.query
import dns.rdatatype

STRIDE, SPACE, TTL_S = 617_283_951, 1_000_000_000, 3_600


def number(i):
    return f"999{i * STRIDE % SPACE:09}"


def enum_name(digits, apex):
    return ".".join(reversed(digits)) + "." + apex


def ahead(seconds):
    """An environment whose clock is ahead; time that goes by is as it is."""
    if not seconds:
        return dict(os.environ)
    library = glob.glob("/usr/lib/*/faketime/libfaketimeMT.so.1")
    if not library:
        sys.exit("faketime is missing: apt-get install faketime")
    return dict(os.environ, LD_PRELOAD=library[0], FAKETIME=f"+{seconds}s", FAKETIME_DONT_FAKE_MONOTONIC="1")


def serve(callbook, directory, ahead_s):
    command = ["taskset", "-c", "0", callbook, "serve", "--json", "--dir", directory]
    service = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=ahead(ahead_s), text=True)
    host, port = json.loads(service.stdout.readline())["dns"][0].rsplit(":", 1)
    return service, (host, int(port))


def stop(service):
    service.terminate()
    service.wait(60)


def status(callbook, directory, ahead_s=0):
    command = [callbook, "keys", "status", "--json", "--dir", directory]
    return json.loads(subprocess.run(command, capture_output=True, check=True, text=True, env=ahead(ahead_s)).stdout)


def resident_kib(pid):
    with open(f"/proc/{pid}/status") as lines:
        return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS"))


def ask(sock, server, name, rdtype):
    query = dns.message.make_query(name, rdtype, want_dnssec=True, payload=1232)
    wire, began = query.to_wire(), time.monotonic()
    sock.sendto(wire, server)
    while True:
        reply = sock.recv(4096)
        if reply[:2] == wire[:2]:
            return reply, (time.monotonic() - began) * 1_000


def load_file(apex, count, folder):
    path = os.path.join(folder, "queries")
    with open(path, "w") as out:
        for _ in range(200_000):
            out.write(f"{enum_name(number(random.randrange(count)), apex)} NAPTR\n")
    return path


def probe(server, apex, count, seconds, pid):
    """Answers with their times, DNSKEY RRsets with theirs, and the service's size each second."""
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.settimeout(5)
    answers, keys, sizes, lost = [], [], [], 0
    began, next_second = time.time(), 0
    while (now := time.time()) < began + seconds:
        if now - began >= next_second:
            keys.append((now, ask(sock, server, apex, "DNSKEY")[0]))
            sizes.append(resident_kib(pid))
            next_second += 1
        i = random.randrange(count)
        # Every fourth one is not there: the denial is signed on the spot.
        digits = number(i) if i % 4 else number(i)[:-1]
        try:
            reply, took_ms = ask(sock, server, enum_name(digits, apex), "NAPTR")
            answers.append((now, took_ms, reply))
        except TimeoutError:
            lost += 1
        time.sleep(0.002)
    return answers, keys, sizes, lost


def rrset(message, section, rdtype):
    for one in section:
        if one.rdtype == rdtype:
            signatures = [s for s in section if s.rdtype == dns.rdatatype.RRSIG and s.covers == rdtype and s.name == one.name]
            return one, signatures[0] if signatures else None
    return None, None


def bogus(answers, keys, apex, ahead_s):
    """How many answers do not validate with every DNSKEY RRset that a cache could have; also who signed, over time."""
    name, count, signers = dns.name.from_text(apex), 0, []
    sets = {}
    for at, wire in keys:
        message = dns.message.from_wire(wire)
        one, signature = rrset(message, message.answer, dns.rdatatype.DNSKEY)
        dns.dnssec.validate(one, signature, {name: one}, now=at + ahead_s)
        sets.setdefault(frozenset(r.to_text() for r in one), (at, one))
    for at, _, wire in answers:
        message = dns.message.from_wire(wire)
        section = message.answer or message.authority
        rdtype = dns.rdatatype.NAPTR if message.answer else dns.rdatatype.NSEC
        one, signature = rrset(message, section, rdtype)
        if one is None or signature is None or message.rcode() != 0:
            count += 1
            continue
        signers.append((at, signature[0].key_tag))
        for _, of_keys in sets.values():
            try:
                dns.dnssec.validate(one, signature, {name: of_keys}, now=at + ahead_s)
            except dns.dnssec.ValidationFailure:
                count += 1
                break
    return count, signers


def percentile(values, share):
    return sorted(values)[min(len(values) - 1, int(len(values) * share))]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("callbook")
    parser.add_argument("dir")
    parser.add_argument("--seconds", type=int, default=120)
    parser.add_argument("--load", type=int, default=10_000, help="queries a second of dnsperf")
    parser.add_argument("--numbers", type=int, default=1_000_000)
    args = parser.parse_args()
    subprocess.run([args.callbook, "keys", "roll", "--zsk", "--dir", args.dir], check=True, stdout=subprocess.DEVNULL)
    service, _ = serve(args.callbook, args.dir, 0)
    while not any(key["state"] == "published" and key["role"] == "ZSK" for key in status(args.callbook, args.dir)["keys"]):
        time.sleep(0.5)
    stop(service)
    waits = [w for key in status(args.callbook, args.dir)["keys"] if key["state"] == "published" for w in key["waits"]]
    switch_in_s = args.seconds // 3
    ahead_s = int(waits[0]["until_s"] - time.time()) - switch_in_s - 20
    service, server = serve(args.callbook, args.dir, ahead_s)
    apex = status(args.callbook, args.dir)["apex"]
    try:
        with tempfile.TemporaryDirectory() as folder:
            queries = load_file(apex, args.numbers, folder)
            time.sleep(15)  # the API's start is over, and the filler at work
            load = subprocess.Popen(
                ["taskset", "-c", "1", "dnsperf", "-s", server[0], "-p", str(server[1]), "-d", queries, "-l", str(args.seconds), "-D", "-e", "-Q", str(args.load), "-c", "4"],
                stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
            os.sched_setaffinity(0, {1})
            answers, keys, sizes, lost = probe(server, apex, args.numbers, args.seconds, service.pid)
            said = load.communicate(timeout=120)[0]
        states = [(key["role"], key["tag"], key["state"]) for key in status(args.callbook, args.dir, ahead_s)["keys"]]
    finally:
        stop(service)
    wrong, signers = bogus(answers, keys, apex, ahead_s)
    tags = sorted({tag for _, tag in signers}, key=lambda tag: min(at for at, t in signers if t == tag))
    switch = min((at for at, tag in signers if len(tags) > 1 and tag == tags[-1]), default=None)
    print(json.dumps({"keys": states, "signers": tags, "answers": len(answers), "bogus_or_failed": wrong, "lost": lost}))
    if switch is None:
        sys.exit("the ZSK did not change while this was watching")
    first = answers[0][0]
    for what, lo, hi in [("before", first, switch - 2), ("around", switch - 2, switch + 10), ("after", switch + 10, first + args.seconds)]:
        times = [ms for at, ms, _ in answers if lo <= at < hi]
        sized = [kib for (at, _), kib in zip(keys, sizes) if lo <= at < hi]
        if times and sized:
            print(f"{what:7} {len(times):6} answers, ms: median {statistics.median(times):.2f}, p99 {percentile(times, 0.99):.2f}, max {max(times):.1f}; "
                  f"MiB: {min(sized) / 1024:.0f} to {max(sized) / 1024:.0f}")
    for line in re.findall(r"  (?:Queries completed|Queries lost|Queries per second|Average Latency).*", said):
        print("dnsperf" + line)
    sys.exit(1 if wrong or lost else 0)


if __name__ == "__main__":
    main()

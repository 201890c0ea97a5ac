#!/usr/bin/env python3
"""Registrations beside other name servers: how many numbers a second each takes in durably, in one run, in turns.

    benches/registrations-beside-peers.py [--n 20000] [--rounds 3] [--secs 5] [--clients 16] [--bulk 100]
                                          [--servers callbook,bind,knot,pdns-sqlite,pdns-lmdb] [--smoke]
                                          [--binary target/release/deps/registrations-...] [--out results.jsonl]

A registration is one new number: a NAPTR and a TLSA (one identity key), in a zone that is signed with algorithm 13. The
peers begin with a zone of --n numbers. Each of --clients has a connection of its own and waits for its answer before it
sends the next (`one`); or one client sends --bulk numbers in one transaction (`bulk`). An answer means that the change is
on disk: BIND's and Knot's journal, PowerDNS's database with full synchronisation, our ledger. Servers take turns within each
round, so that what else the machine does falls on all; clients share the processors with the server.

    bind          RFC 2136 over TCP, a dynamic zone that it signs in place, NSEC3 without salt and iterations
    knot          RFC 2136 over TCP, a zone that it signs, the same NSEC3; its journal holds the changes
    pdns-sqlite   HTTP API (PATCH), SQLite with synchronous=FULL and WAL, signed online, NSEC3 narrow
    pdns-lmdb     HTTP API (PATCH), LMDB in sync mode, the same
    callbook      `cargo bench --bench registrations`: PUT with every check of the law, token, signatures, proofs of possession,
                  receipt; its stock is --n synthetic numbers. `bulk` is its batch, of up to 5 000 numbers

What is compared is not the same work: the peers store what they are told, and know neither holder nor law nor public log.
PowerDNS over SQLite answers 500 to whoever comes while another writes; its clients ask again, and that is part of their time.
PowerDNS's API is asked not to rectify the whole zone each time, which leaves out empty names between; that is its faster side.
Needs, of bind9, knot and pdns-server with pdns-backend-sqlite3 and pdns-backend-lmdb, those that are to be compared; the
others are left out. `--smoke`: small and short, to see that it works; its numbers say nothing.
"""

import argparse
import collections
import http.client
import json
import os
import random
import re
import shutil
import signal
import socket
import sqlite3
import statistics
import struct
import subprocess
import sys
import tempfile
import threading
import time

sys.dont_write_bytecode = True
from peers import APEX, NAPTR, ROOT, Server, our_benchmark, owner, wire_name  # noqa: E402, beside this file

READY_S = 300
ANSWER_S = 120
KEY_HEAD = bytes.fromhex("302a300506032b6570032100")  # SubjectPublicKeyInfo of Ed25519, RFC 8410 4
TLSA, SOA = 52, 6
NUMBERS = random.Random(4711)


# ---- data

class Numbers:
    """Numbers that nobody has yet; threads may share it."""

    def __init__(self, count):
        self.next, self.lock = count, threading.Lock()

    def take(self, count):
        with self.lock:
            first = self.next
            self.next += count
        return [f"346{(i * 61_803_399) % 10**8:08d}" for i in range(first, first + count)]


def naptr(number):
    return f'100 10 "u" "E2U+sip" "!^.*$!sip:+{number}@provider{int(number) % 40}.example!" .'


def write_zone(path, numbers):
    with open(path, "w") as out:
        out.write(f"{APEX} 3600 IN SOA ns1.{APEX} hostmaster.{APEX} 1 3600 600 1209600 300\n")
        for i in (1, 2):
            out.write(f"{APEX} 3600 IN NS ns{i}.{APEX}\nns{i}.{APEX} 3600 IN A 127.0.0.{i}\n")
        for number in numbers:
            key = (KEY_HEAD + NUMBERS.randbytes(32)).hex()
            out.write(f"{owner(number)} 300 IN NAPTR {naptr(number)}\n_id.{owner(number)} 300 IN TLSA 3 1 0 {key}\n")


# ---- DNS by hand

def text(string):
    return bytes([len(string)]) + string.encode()


def update(numbers):
    """An RFC 2136 message that adds the numbers."""
    changes, count = b"", 0
    for number in numbers:
        uri = f"!^.*$!sip:+{number}@provider{int(number) % 40}.example!"
        rdata = struct.pack(">HH", 100, 10) + text("u") + text("E2U+sip") + text(uri) + b"\0"
        key = bytes([3, 1, 0]) + KEY_HEAD + random.randbytes(32)
        for name, kind, data in ((owner(number), NAPTR, rdata), ("_id." + owner(number), TLSA, key)):
            changes += wire_name(name) + struct.pack(">HHIH", kind, 1, 300, len(data)) + data
            count += 1
    head = struct.pack(">6H", random.getrandbits(16), 0x2800, 1, 0, count, 0)
    return head + wire_name(APEX) + struct.pack(">HH", SOA, 1) + changes


class Ddns:
    """A client of RFC 2136 on one connection."""

    def __init__(self, server):
        self.stream = socket.create_connection(("127.0.0.1", server.port), timeout=ANSWER_S)
        self.stream.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def read(self, count):
        data = b""
        while len(data) < count:
            piece = self.stream.recv(count - len(data))
            if not piece:
                raise ConnectionError("the server closed the connection")
            data += piece
        return data

    def register(self, numbers):
        message = update(numbers)
        self.stream.sendall(struct.pack(">H", len(message)) + message)
        answer = self.read(struct.unpack(">H", self.read(2))[0])
        if answer[3] & 15:
            raise RuntimeError(f"response code {answer[3] & 15}")

    def close(self):
        self.stream.close()


class Api:
    """A client of PowerDNS's API on one connection."""

    def __init__(self, server):
        self.connection = http.client.HTTPConnection("127.0.0.1", server.api_port, timeout=ANSWER_S)

    def register(self, numbers):
        def rrset(name, kind, content):
            records = [{"content": content, "disabled": False}]
            return {"name": name, "type": kind, "ttl": 300, "changetype": "REPLACE", "records": records}

        rrsets = []
        for number in numbers:
            key = (KEY_HEAD + random.randbytes(32)).hex()
            rrsets.append(rrset(owner(number), "NAPTR", naptr(number)))
            rrsets.append(rrset("_id." + owner(number), "TLSA", f"3 1 0 {key}"))
        path = f"/api/v1/servers/localhost/zones/{APEX}"
        body, until = json.dumps({"rrsets": rrsets}), time.monotonic() + ANSWER_S
        while True:
            self.connection.request("PATCH", path, body, {"X-API-Key": "bench"})
            answer = self.connection.getresponse()
            said = answer.read()
            if answer.status == 204:
                return
            # SQLite has one writer: "database is locked" for whoever comes meanwhile, who asks again.
            if answer.status != 500 or time.monotonic() > until:
                raise RuntimeError(f"{answer.status} {said[:200]}")
            time.sleep(0.002)

    def close(self):
        self.connection.close()


# ---- servers

class Peer(Server):
    """One that starts from a master file; clients of its own kind register there."""

    client = Ddns

    def __init__(self, name, zone):
        super().__init__(name)
        self.zone = zone


class Bind(Peer):
    program = "named"

    def command(self):
        shutil.copy(self.zone, f"{self.home}/zone")
        policy = 'dnssec-policy "p" { keys { csk lifetime unlimited algorithm 13; }; nsec3param iterations 0 optout no salt-length 0; };'
        config = self.write(
            "named.conf",
            f'{policy}\noptions {{ directory "{self.home}"; pid-file "{self.home}/pid"; session-keyfile "{self.home}/session";\n'
            f"  listen-on port {self.port} {{ 127.0.0.1; }}; listen-on-v6 {{ none; }}; recursion no; allow-query {{ any; }};\n"
            f"  notify no; dnssec-validation no; tcp-clients 1000; check-names primary ignore; }};\ncontrols {{ }};\n"
            f'zone "{APEX}" {{ type primary; file "{self.home}/zone"; allow-update {{ 127.0.0.1; }};\n'
            f'  dnssec-policy "p"; key-directory "{self.home}"; inline-signing no; }};\n',
        )
        return ["named", "-g", "-4", "-c", config]


class Knot(Peer):
    program = "knotd"

    def command(self):
        shutil.copy(self.zone, f"{self.home}/zone")
        config = self.write(
            "knot.conf",
            f"server:\n    rundir: {self.home}\n    listen: 127.0.0.1@{self.port}\n    tcp-max-clients: 1000\n"
            f"log:\n  - target: stderr\n    any: warning\ndatabase:\n    storage: {self.home}\n    journal-db-max-size: 8G\n"
            f"policy:\n  - id: p\n    algorithm: ecdsap256sha256\n    nsec3: on\n    nsec3-iterations: 0\n    nsec3-salt-length: 0\n"
            f"acl:\n  - id: u\n    address: 127.0.0.1\n    action: update\n"
            f"zone:\n  - domain: {APEX}\n    file: {self.home}/zone\n    dnssec-signing: on\n    dnssec-policy: p\n    acl: u\n"
            f"    journal-content: changes\n    journal-max-usage: 6G\n    zonefile-load: whole\n    zonefile-sync: -1\n",
        )
        return ["knotd", "-c", config]


class Pdns(Peer):
    program = "pdns_server"
    client = Api

    def command(self):
        self.write(
            "pdns.conf",
            f"local-address=127.0.0.1\nlocal-port={self.port}\nsocket-dir={self.home}\ndaemon=no\nguardian=no\n"
            f"disable-syslog=yes\nloglevel=3\nsecurity-poll-suffix=\nwebserver=yes\nwebserver-address=127.0.0.1\n"
            f"webserver-port={self.api_port}\nwebserver-allow-from=127.0.0.1\nwebserver-loglevel=none\napi=yes\napi-key=bench\n"
            f"default-api-rectify=no\n{self.backend()}",
        )
        self.fill_pdns(self.zone)
        return ["pdns_server", f"--config-dir={self.home}"]


class PdnsSqlite(Pdns):
    needs = "/usr/share/doc/pdns-backend-sqlite3/schema.sqlite3.sql"

    def backend(self):
        database = sqlite3.connect(f"{self.home}/db")
        database.execute("PRAGMA journal_mode=WAL")
        with open(self.needs) as schema:
            database.executescript(schema.read())
        database.close()
        return f"launch=gsqlite3\ngsqlite3-database={self.home}/db\ngsqlite3-dnssec=yes\ngsqlite3-pragma-synchronous=2\n"


class PdnsLmdb(Pdns):
    needs = "/usr/share/doc/pdns-backend-lmdb"

    def backend(self):
        return f"launch=lmdb\nlmdb-filename={self.home}/db\nlmdb-shards=1\nlmdb-sync-mode=sync\n"


PEERS = {"bind": Bind, "knot": Knot, "pdns-sqlite": PdnsSqlite, "pdns-lmdb": PdnsLmdb}


# ---- measuring

def percentile(values, share):
    return sorted(values)[int((len(values) - 1) * share)]


def one_by_one(server, numbers, clients, secs):
    """Each client sends a number, waits for the answer, sends the next."""
    took, failed, lock = [], [], threading.Lock()
    end = time.monotonic() + secs

    def work():
        mine = []
        try:
            client = server.client(server)
            while time.monotonic() < end:
                sent = time.monotonic()
                client.register(numbers.take(1))
                mine.append(time.monotonic() - sent)
            client.close()
        except Exception as error:  # a thread's end is told by the thread that waits for it
            with lock:
                failed.append(error)
        with lock:
            took.extend(mine)

    threads = [threading.Thread(target=work) for _ in range(clients)]
    began = time.monotonic()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failed or not took:
        raise RuntimeError(f"{server.name}: {failed[:1]}")
    wall = time.monotonic() - began
    return {"rate": len(took) / wall, "p50_ms": percentile(took, 0.5) * 1e3, "p99_ms": percentile(took, 0.99) * 1e3}


def in_bulk(server, numbers, bulk, secs):
    client, took, began = server.client(server), [], time.monotonic()
    while not took or time.monotonic() - began < secs:
        batch, sent = numbers.take(bulk), time.monotonic()
        client.register(batch)
        took.append(time.monotonic() - sent)
    client.close()
    wait_shown(server, batch[-1])
    return {"rate": bulk * len(took) / (time.monotonic() - began), "p50_ms": percentile(took, 0.5) * 1e3, "p99_ms": percentile(took, 0.99) * 1e3}


def wait_shown(server, number):
    """A benchmark of changes that nobody sees is none."""
    began = time.monotonic()
    while not server.shows(owner(number)):
        if time.monotonic() - began > READY_S:
            raise RuntimeError(f"{server.name}: {number} is never shown with a signature")
        time.sleep(0.01)


def ours(binary, args, directory):
    """One run of the benchmark of registrations; it says what it measured."""
    count = 200 if args.smoke else 10_000
    command = [binary, "--count", str(count), "--clients", str(args.clients), "--stock", str(args.n), "--dir", f"{directory}/callbook"]
    said = subprocess.run(command, check=True, capture_output=True, text=True, cwd=ROOT).stdout
    one = re.search(r"register \(PUT\)\s+(\d+)/s\s+p50 ([\d.]+) ms\s+p99 ([\d.]+) ms", said)
    bulk = re.search(r"register \(batch\)\s+(\d+)/s", said)
    if not one or not bulk:
        raise RuntimeError(f"callbook: {said}")
    return {
        "one": {"rate": float(one[1]), "p50_ms": float(one[2]), "p99_ms": float(one[3])},
        "bulk": {"rate": float(bulk[1]), "p50_ms": float("nan"), "p99_ms": float("nan")},
    }


def table(results, names, rounds):
    print("\n| server | way | numbers/s | least..most | p50 ms | p99 ms | to callbook |")
    print("|---|---|---|---|---|---|---|")
    for way in ("one", "bulk"):
        def median(name, what):
            return statistics.median(run[what] for run in results[name, way])
        for name in names:
            rates = [run["rate"] for run in results[name, way]]
            if len(rates) < rounds:
                print(f"| {name} | {way} | failed | | | | |")
                continue
            ratio = f"{median(name, 'rate') / median('callbook', 'rate'):.3f}" if results["callbook", way] else "-"
            waits = " | ".join("-" if (ms := median(name, p)) != ms else f"{ms:.1f}" for p in ("p50_ms", "p99_ms"))
            print(f"| {name} | {way} | {statistics.median(rates):.1f} | {min(rates):.1f}..{max(rates):.1f} | {waits} | {ratio} |")


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--n", type=int, default=20_000)
    options.add_argument("--rounds", type=int, default=3)
    options.add_argument("--secs", type=float, default=5)
    options.add_argument("--clients", type=int, default=16)
    options.add_argument("--bulk", type=int, default=100)
    options.add_argument("--servers", default="callbook," + ",".join(PEERS))
    options.add_argument("--smoke", action="store_true")
    options.add_argument("--binary", help="the benchmark of registrations, when it is built already")
    options.add_argument("--out")
    args = options.parse_args()
    if args.smoke:
        args.n, args.rounds, args.secs, args.clients = 200, 1, 0.5, 4
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that the servers are stopped too
    os.environ["PATH"] += ":/usr/sbin"
    names = args.servers.split(",")
    for name in [n for n in names if n in PEERS and not PEERS[n].is_installed()]:
        print(f"# {name} is left out: it is not installed")
        names.remove(name)
    numbers = Numbers(0)
    stock = numbers.take(args.n)
    results, servers = collections.defaultdict(list), {}
    out = open(args.out, "a") if args.out else None

    def note(name, way, turn, run):
        results[name, way].append(run)
        print(f"{turn} {way:<4} {name:<12} {run['rate']:>9.1f}/s  p50 {run['p50_ms']:.1f} ms  p99 {run['p99_ms']:.1f} ms", flush=True)
        if out:
            out.write(json.dumps({"n": args.n, "server": name, "way": way, "round": turn, "clients": args.clients, **run}) + "\n")
            out.flush()

    with tempfile.TemporaryDirectory(prefix="registrations-") as directory:
        write_zone(f"{directory}/zone", stock)
        binary = args.binary and os.path.abspath(args.binary) or ("callbook" in names and our_benchmark("registrations"))
        try:
            for name in names:
                if name != "callbook":
                    servers[name] = PEERS[name](name, f"{directory}/zone")
                    servers[name].start(owner(stock[0]))
                    print(f"# {name} serves", flush=True)
            for turn in range(args.rounds):
                for name in names:
                    if name == "callbook":
                        for way, run in ours(binary, args, directory).items():
                            note(name, way, turn, run)
                        continue
                    note(name, "one", turn, one_by_one(servers[name], numbers, args.clients, args.secs))
                    note(name, "bulk", turn, in_bulk(servers[name], numbers, args.bulk, args.secs))
            print(f"\n{args.n} numbers, {args.clients} clients, bulk of {args.bulk}, medians of {args.rounds} rounds")
            table(results, names, args.rounds)
        finally:
            for server in servers.values():
                server.stop()


main()

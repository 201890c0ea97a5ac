#!/usr/bin/env python3
"""Look-ups beside other name servers: one zone, one run, one core each, in turns.

    benches/beside-peers.py [--n 100000] [--rounds 3] [--secs 10] [--kinds pos,neg,mix]
                            [--servers callbook,callbook-15,callbook-updated,knot,knot-onlinesign,nsd,bind,pdns-sqlite,pdns-lmdb] [--base knot]
                            [--latency-rate 20000] [--dir DIR] [--out results.jsonl]

Every server has the same random numbers (+34 6xxxxxxxx, one NAPTR and one identity key each), one UDP thread and, once it
answers, processor 0 alone; dnsperf has processor 1, 50 sockets, 200 queries in flight, DO set. Servers take turns within
each round (A B C A B C ...), so that what else the machine does falls on all. Queries: numbers that are there (pos), all
different numbers that are not (neg), four of the one to one of the other (mix); each round starts elsewhere in the file.

What is compared is the servers' own processor time per answered query, from /proc: the generator may be the limit of the
rate. `other` is what the rest of the machine took; a run with more than 0.1 of a processor is not worth quoting.

knot, nsd and bind serve a zone signed before (NSEC3 without salt and iterations, by `callbook zone sign`); knot-onlinesign
and callbook sign denials when asked; callbook signs data when first asked for, which is done before the first round.
pdns-sqlite and pdns-lmdb (PowerDNS) sign everything when asked (NSEC3 narrow), keep signatures and packets in their caches,
and read a database that `pdnsutil` fills before the first round, which takes minutes at a million.
callbook-updated also replaces the data of 1 000 numbers a second meanwhile, on the same processor.
Needs Debian's dnsperf, and of knot, nsd, bind9 and pdns-server with pdns-backend-sqlite3 and pdns-backend-lmdb those that
are to be compared; the others are left out.
The data stay in DIR for the next run. Signing for the peers takes both processors: 90 s at a million.
"""

import argparse
import collections
import json
import os
import random
import re
import shutil
import signal
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time

sys.dont_write_bytecode = True
from peers import APEX, ROOT, Server, ask, our_benchmark, owner  # noqa: E402, beside this file

SERVER_CPU, CLIENT_CPU = 0, 1
QUERIES = 1_000_000
TICK = os.sysconf("SC_CLK_TCK")


# ---- data

def make_data(directory, count):
    """numbers.txt, zone.txt and a dnsperf file for each kind; kept when they are there."""
    if os.path.exists(f"{directory}/done"):
        return
    rnd = random.Random(4711)
    drawn = [f"346{x:08d}" for x in rnd.sample(range(10**8), count + QUERIES)]
    there, absent = drawn[:count], drawn[count:]
    with open(f"{directory}/numbers.txt", "w") as out:
        out.writelines(number + "\n" for number in there)
    with open(f"{directory}/zone.txt", "w") as out:
        out.write(f"{APEX} 3600 IN SOA ns1.{APEX} hostmaster.{APEX} 1 3600 600 1209600 300\n")
        for i in (1, 2):
            out.write(f"{APEX} 3600 IN NS ns{i}.{APEX}\nns{i}.{APEX} 3600 IN A 127.0.0.{i}\n")
        for number in there:
            uri = f"sip:+{number}@provider{int(number) % 40}.example"
            key = "302a300506032b6570032100" + rnd.randbytes(32).hex()  # SubjectPublicKeyInfo, RFC 8410 4
            out.write(f'{owner(number)} 3600 IN NAPTR 100 10 "u" "E2U+sip" "!^.*$!{uri}!" .\n')
            out.write(f"_id.{owner(number)} 3600 IN TLSA 3 1 0 {key}\n")
    asked = []
    while len(asked) < QUERIES:
        asked += rnd.sample(there, count)
    mixed = asked[: QUERIES * 4 // 5] + absent[: QUERIES // 5]
    rnd.shuffle(mixed)
    for kind, numbers in (("pos", asked[:QUERIES]), ("neg", absent), ("mix", mixed)):
        with open(f"{directory}/queries.{kind}", "w") as out:
            out.writelines(f"{owner(number)} NAPTR\n" for number in numbers)
    open(f"{directory}/done", "w").close()


def rotated(directory, kind, part, parts):
    """The kind's queries from elsewhere on, so that what was cached in the last round does not help."""
    path = f"{directory}/queries.{kind}.{part}of{parts}"
    if not os.path.exists(path):
        with open(f"{directory}/queries.{kind}") as whole:
            lines = whole.readlines()
        at = len(lines) * part // parts
        with open(path, "w") as out:
            out.writelines(lines[at:] + lines[:at])
    return path


def sign(directory, program):
    """The zone signed with algorithm 13 and NSEC3 `1 0 0 -`, for those that serve what was signed before."""
    signed = f"{directory}/signed.zone"
    if os.path.exists(signed):
        return signed
    keys = f"{directory}/keys"
    shutil.rmtree(keys, ignore_errors=True)
    began = time.monotonic()
    command = [program, "zone", "sign", f"{directory}/zone.txt", "--origin", APEX, "--keys", keys, "--new-keys", "--out", signed + ".new"]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    os.rename(signed + ".new", signed)
    print(f"# signed for the peers in {time.monotonic() - began:.0f} s", flush=True)
    return signed


# ---- servers

class Peer(Server):
    """One that has a single processor once it serves, and is watched there."""

    needs_signed = True
    ready_s = 900

    def __init__(self, name, directory, binary, program):
        super().__init__(name)
        self.directory, self.binary, self.program_of_ours = directory, binary, program

    def zone_file(self):
        return sign(self.directory, self.program_of_ours) if self.needs_signed else f"{self.directory}/zone.txt"

    def start(self, probe):
        super().start(probe)
        for pid in self.tree():
            for task in os.listdir(f"/proc/{pid}/task"):
                os.sched_setaffinity(int(task), {SERVER_CPU})

    def cpu_s(self):
        total = 0
        for pid in self.tree():
            with open(f"/proc/{pid}/stat") as stat:
                fields = stat.read().rsplit(")", 1)[1].split()
            total += int(fields[11]) + int(fields[12])
        return total / TICK

    def memory_mb(self):
        total = 0
        for pid in self.tree():
            with open(f"/proc/{pid}/smaps_rollup") as rollup:
                total += int(re.search(r"Pss:\s+(\d+)", rollup.read()).group(1))
        return total / 1024


class Callbook(Peer):
    needs_signed = False

    def command(self):
        algorithm = "15" if self.name.endswith("-15") else "13"
        updates = ["--updates", "1000"] if self.name.endswith("-updated") else []
        options = [*updates, "--numbers-file", f"{self.directory}/numbers.txt", "--listen", f"127.0.0.1:{self.port}"]
        return [self.binary, "--bench", "--threads", "1", "--algorithm", algorithm, *options]


class Knot(Peer):
    program = "knotd"
    zone_options = "    dnssec-signing: off\n"
    before = ""

    def command(self):
        config = self.write(
            "config",
            f"server:\n    rundir: {self.home}\n    listen: 127.0.0.1@{self.port}\n    udp-workers: 1\n    tcp-workers: 1\n"
            f"    background-workers: 1\n    udp-max-payload: 1232\nlog:\n  - target: stderr\n    any: warning\n"
            f"database:\n    storage: {self.home}\n    journal-db-max-size: 8G\n{self.before}"
            f"zone:\n  - domain: {APEX}\n    file: {self.zone_file()}\n    semantic-checks: off\n    zonefile-load: whole\n"
            f"    zonefile-sync: -1\n    journal-content: none\n{self.zone_options}"
        )
        return ["knotd", "-c", config]


class KnotOnlinesign(Knot):
    needs_signed = False
    before = "policy:\n  - id: p256\n    algorithm: ecdsap256sha256\nmod-onlinesign:\n  - id: online\n    policy: p256\n"
    zone_options = "    module: mod-onlinesign/online\n"


class Nsd(Peer):
    program = "nsd"

    def command(self):
        config = self.write(
            "config",
            f'server:\n  ip-address: 127.0.0.1@{self.port}\n  server-count: 1\n  username: ""\n  database: ""\n'
            f'  zonesdir: "{self.home}"\n  xfrdir: "{self.home}"\n  pidfile: "{self.home}/pid"\n'
            f'  xfrdfile: "{self.home}/xfrd"\n  zonelistfile: "{self.home}/zones"\n  rrl-ratelimit: 0\n'
            f"  rrl-whitelist-ratelimit: 0\n  minimal-responses: yes\n  ipv4-edns-size: 1232\n"
            f'remote-control:\n  control-enable: no\nzone:\n  name: {APEX}\n  zonefile: "{self.zone_file()}"\n'
        )
        return ["nsd", "-d", "-c", config]


class Bind(Peer):
    program = "named"

    def command(self):
        config = self.write(
            "config",
            f'options {{ directory "{self.home}"; pid-file "{self.home}/pid"; session-keyfile "{self.home}/session";\n'
            f"  listen-on port {self.port} {{ 127.0.0.1; }}; listen-on-v6 {{ none; }}; recursion no; allow-query {{ any; }};\n"
            f"  notify no; dnssec-validation no; minimal-responses yes; max-udp-size 1232; check-names primary ignore; }};\n"
            f'controls {{ }};\nzone "{APEX}" {{ type primary; file "{self.zone_file()}"; }};\n'
        )
        return ["named", "-g", "-4", "-n", "1", "-c", config]


class Pdns(Peer):
    """PowerDNS, signing online; the database is kept in DIR for the next run."""

    program = "pdns_server"
    needs_signed = False

    def command(self):
        kept = f"{self.directory}/{self.name}"
        self.write_config(kept)
        if not os.path.exists(f"{kept}/done"):
            shutil.rmtree(kept, ignore_errors=True)
            os.mkdir(kept)
            self.create(kept)
            self.fill_pdns(self.zone_file())
            open(f"{kept}/done", "w").close()
        return ["pdns_server", f"--config-dir={self.home}"]

    def write_config(self, kept):
        self.write(
            "pdns.conf",
            f"local-address=127.0.0.1\nlocal-port={self.port}\nsocket-dir={self.home}\nreceiver-threads=1\n"
            f"distributor-threads=1\ndaemon=no\nguardian=no\ndisable-syslog=yes\nloglevel=3\nsecurity-poll-suffix=\n"
            f"consistent-backends=yes\nzone-cache-refresh-interval=300\nudp-truncation-threshold=1232\n{self.backend(kept)}",
        )

    def create(self, kept):
        pass


class PdnsSqlite(Pdns):
    needs = "/usr/share/doc/pdns-backend-sqlite3/schema.sqlite3.sql"

    def backend(self, kept):
        return f"launch=gsqlite3\ngsqlite3-database={kept}/db\ngsqlite3-dnssec=yes\n"

    def create(self, kept):
        database = sqlite3.connect(f"{kept}/db")
        database.execute("PRAGMA journal_mode=WAL")
        with open(self.needs) as schema:
            database.executescript(schema.read())
        database.close()


class PdnsLmdb(Pdns):
    needs = "/usr/share/doc/pdns-backend-lmdb"

    def backend(self, kept):
        return f"launch=lmdb\nlmdb-filename={kept}/db\nlmdb-shards=1\n"


KINDS_OF_SERVERS = {
    "callbook": Callbook, "callbook-15": Callbook, "callbook-updated": Callbook, "knot": Knot, "knot-onlinesign": KnotOnlinesign, "nsd": Nsd, "bind": Bind,
    "pdns-sqlite": PdnsSqlite, "pdns-lmdb": PdnsLmdb,
}


# ---- measuring

def busy_s():
    with open("/proc/stat") as stat:
        fields = list(map(int, stat.readline().split()[1:9]))
    return (sum(fields) - fields[3] - fields[4]) / TICK


def number(pattern, text):
    found = re.search(pattern, text)
    return float(found.group(1)) if found else 0.0


def dnsperf(port, queries, secs, *more):
    command = ["dnsperf", "-s", "127.0.0.1", "-p", str(port), "-d", queries, "-l", str(secs), "-c", "50", "-T", "1", "-q", "200", "-D", "-t", "2"]
    return ["taskset", "-c", str(CLIENT_CPU), *command, *more]


def rate(server, queries, secs):
    cpu, busy, own, began = server.cpu_s(), busy_s(), os.times(), time.monotonic()
    said = subprocess.run(dnsperf(server.port, queries, secs), capture_output=True, text=True, check=True).stdout
    wall, cpu, busy, now = time.monotonic() - began, server.cpu_s() - cpu, busy_s() - busy, os.times()
    client = now.children_user + now.children_system - own.children_user - own.children_system
    answered = number(r"Queries completed:\s+(\d+)", said)
    codes = re.search(r"Response codes:\s+(.*)", said)
    return {
        "qps": number(r"Queries per second:\s+([\d.]+)", said),
        "lost_percent": number(r"Queries lost:\s+\d+ \(([\d.]+)%", said),
        "cpu_us": cpu * 1e6 / max(answered, 1),
        "codes": codes.group(1).strip() if codes else "",
        "octets": number(r"response (\d+)", said),
        "other": (busy - cpu - client) / wall,
    }


def latency(server, queries, per_second):
    """Milliseconds: median and 99 % at a fixed rate; written to memory, since a pipe would wake this script meanwhile."""
    with tempfile.TemporaryFile("w+", dir="/dev/shm") as said:
        subprocess.run(dnsperf(server.port, queries, 4, "-v", "-Q", str(per_second)), stdout=said, check=True)
        said.seek(0)
        waits = [float(line.rsplit(None, 1)[1]) * 1000 for line in said if line.startswith("> ") and line[2:3] != "T"]
    waits = sorted(waits[per_second // 2:])  # without the first half second
    return {"p50_ms": waits[len(waits) // 2], "p99_ms": waits[len(waits) * 99 // 100], "offered": per_second}


def check(server, there, absent):
    """A benchmark of wrong answers is none."""
    right = ask(server.port, owner(there))
    denied = ask(server.port, owner(absent))
    if right is None or denied is None or right[0] != 0 or right[1] != 2 or denied[0] not in (0, 3) or denied[1] != 0 or denied[2] < 4:
        raise SystemExit(f"{server.name} answers wrongly: {right} {denied}")


def table(results, servers, kinds, base, latencies):
    print("\n| server | kind | answers/s | least..most | rate to base | CPU us/answer | CPU to base | lost % | octets | p50/p99 ms | other CPU |")
    print("|---|---|---|---|---|---|---|---|---|---|---|")
    for kind in kinds:
        def median(name, what):
            return statistics.median(run[what] for run in results[name, kind])
        for server in servers:
            runs = results[server.name, kind]
            ratios = [median(server.name, what) / max(median(base, what), 1e-9) for what in ("qps", "cpu_us")]
            waits = latencies.get((server.name, kind), [])
            waits = "/".join(f"{statistics.median(w[p] for w in waits):.2f}" for p in ("p50_ms", "p99_ms")) if waits else "-"
            print(
                f"| {server.name} | {kind} | {median(server.name, 'qps'):.0f} | {min(r['qps'] for r in runs):.0f}..{max(r['qps'] for r in runs):.0f} "
                f"| {ratios[0]:.2f} | {median(server.name, 'cpu_us'):.2f} | {ratios[1]:.2f} | {median(server.name, 'lost_percent'):.2f} "
                f"| {median(server.name, 'octets'):.0f} | {waits} | {median(server.name, 'other'):.2f} |"
            )


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--n", type=int, default=100_000)
    options.add_argument("--rounds", type=int, default=3)
    options.add_argument("--secs", type=int, default=10)
    options.add_argument("--kinds", default="pos,neg,mix")
    options.add_argument("--servers", default=",".join(KINDS_OF_SERVERS))
    options.add_argument("--base", default="knot")
    options.add_argument("--latency-rate", type=int, help="also measure latency at so many queries a second")
    options.add_argument("--dir")
    options.add_argument("--out")
    options.add_argument("--binary", help="the look-up benchmark, when it is built already")
    options.add_argument("--program", default=f"{ROOT}/target/release/callbook", help="what signs the peers' zone")
    args = options.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that the servers are stopped too
    os.environ["PATH"] += ":/usr/sbin"
    if os.cpu_count() < 2 or not shutil.which("dnsperf"):
        raise SystemExit("two processors and dnsperf are needed")
    names, kinds = args.servers.split(","), args.kinds.split(",")
    for name in [n for n in names if not KINDS_OF_SERVERS[n].is_installed()]:
        print(f"# {name} is left out: it is not installed")
        names.remove(name)
    directory = args.dir or f"{tempfile.gettempdir()}/callbook-beside-peers/{args.n}"
    os.makedirs(directory, exist_ok=True)
    make_data(directory, args.n)
    binary = args.binary and os.path.abspath(args.binary) or (our_benchmark("lookups") if any(n.startswith("callbook") for n in names) else None)
    with open(f"{directory}/numbers.txt") as there, open(f"{directory}/queries.neg") as absent:
        there, absent = there.readline().strip(), absent.readline().split(f".{APEX}")[0].replace(".", "")[::-1]

    servers, results, latencies = [], collections.defaultdict(list), collections.defaultdict(list)
    out = open(args.out, "a") if args.out else None

    def note(**what):
        if out:
            out.write(json.dumps({"n": args.n, **what}) + "\n")
            out.flush()

    try:
        for name in names:
            server = KINDS_OF_SERVERS[name](name, directory, binary, args.program)
            servers.append(server)
            server.start(owner(there))
            check(server, there, absent)
            print(f"# {name}: first answer after {server.started_s:.1f} s, {server.memory_mb():.0f} MB", flush=True)
            note(what="start", server=name, first_answer_s=server.started_s, memory_mb=server.memory_mb())
        for kind in kinds:
            for turn in range(args.rounds):
                rotated(directory, kind, turn, args.rounds)
        for turn in range(args.rounds):
            for kind in kinds:
                for server in servers:
                    run = rate(server, rotated(directory, kind, turn, args.rounds), args.secs)
                    results[server.name, kind].append(run)
                    note(what="rate", server=server.name, kind=kind, round=turn, **run)
                    print(f"{turn} {kind} {server.name:<16} {run['qps']:>9.0f}/s {run['cpu_us']:>6.2f} us lost {run['lost_percent']:.2f} % other {run['other']:.2f} {run['codes']}", flush=True)
                    if args.latency_rate:
                        latencies[server.name, kind].append(latency(server, rotated(directory, kind, turn, args.rounds), args.latency_rate))
                        note(what="latency", server=server.name, kind=kind, round=turn, **latencies[server.name, kind][-1])
        base = args.base if args.base in names else names[0]
        print(f"\n{args.n} numbers, medians of {args.rounds} rounds of {args.secs} s, base {base}")
        table(results, servers, kinds, base, latencies)
    finally:
        for server in servers:
            server.stop()


main()

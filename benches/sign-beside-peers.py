#!/usr/bin/env python3
"""Signing a whole zone beside other signers: one unsigned zone, one run, in turns.

    benches/sign-beside-peers.py [--n 1000000] [--rounds 1] [--signers callbook,knot,bind,ldns] [--verify]
                                 [--binary target/release/callbook] [--dir DIR] [--out results.jsonl]

All sign the same master file with algorithm 13 and NSEC3 `1 0 0 -`, with keys of their own and every core that they know how
to use: `callbook zone sign`, `kzonesign`, `dnssec-signzone -n CORES -P` (without its check of the result), `ldns-signzone`.
Each reads the file and writes the signed one, fsync included where the program does that. A round goes through all of them,
so that what else the machine does falls on all; `busy` is what all else took of a core while one was at work. What is to be
compared are ratios of one round. With --verify, `ldns-verify-zone` judges ours at the end, and says what that took.

The zone has random numbers (+34 6xxxxxxxx, one NAPTR and one identity key each), as in benches/beside-peers.py; an unsigned
zone that lies in DIR as zone.txt, such as a `zone export`, is taken instead, with --origin. Needs Debian's knot-dnssecutils,
knot, bind9-utils and ldnsutils as far as they are to be compared; what is missing is left out. A million numbers take 8 GB.
"""

import argparse
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time

APEX = "e164.test."
ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


def make_zone(path, count):
    """The zone of benches/beside-peers.py, without its queries."""
    rnd = random.Random(4711)
    with open(path + ".new", "w") as out:
        out.write(f"{APEX} 3600 IN SOA ns1.{APEX} hostmaster.{APEX} 1 3600 600 1209600 300\n")
        for i in (1, 2):
            out.write(f"{APEX} 3600 IN NS ns{i}.{APEX}\nns{i}.{APEX} 3600 IN A 127.0.0.{i}\n")
        for x in rnd.sample(range(10**8), count):
            number = f"346{x:08d}"
            owner = ".".join(reversed(number)) + "." + APEX
            key = "302a300506032b6570032100" + rnd.randbytes(32).hex()  # SubjectPublicKeyInfo, RFC 8410 4
            uri = f"sip:+{number}@provider{x % 40}.example"
            out.write(f'{owner} 3600 IN NAPTR 100 10 "u" "E2U+sip" "!^.*$!{uri}!" .\n')
            out.write(f"_id.{owner} 3600 IN TLSA 3 1 0 {key}\n")
    os.rename(path + ".new", path)


def busy_s():
    with open("/proc/stat") as stat:
        fields = list(map(int, stat.readline().split()[1:9]))
    return (sum(fields) - fields[3] - fields[4]) / os.sysconf("SC_CLK_TCK")


def measured(command, **options):
    """Wall and processor seconds, peak memory in MB, and what others took of a core meanwhile."""
    began, busy = time.monotonic(), busy_s()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, **options)
    said = process.stderr.read().decode(errors="replace")
    _, status, usage = os.wait4(process.pid, 0)
    wall = time.monotonic() - began
    if status:
        raise SystemExit(f"{command[0]} failed: {said[-2000:]}")
    cpu = usage.ru_utime + usage.ru_stime
    return {"wall_s": wall, "cpu_s": cpu, "memory_mb": usage.ru_maxrss / 1024, "busy": (busy_s() - busy - cpu) / wall}


def signatures(path):
    """Lines with a signature over something; comments and lines of several are no matter at a million."""
    count = 0
    with open(path, "rb") as signed:
        for line in signed:
            words = line[:400].split(None, 5)
            count += b"RRSIG" in words[1:4]
    return count


class Signer:
    """Makes its keys, then the command that signs; `signed` is the file that comes of it."""

    def __init__(self, args, home):
        self.args, self.home, self.signed = args, home, f"{home}/signed.zone"

    def bind_keys(self):
        names = []
        for flags in ([], ["-f", "KSK"]):
            command = ["dnssec-keygen", "-q", "-a", "ECDSAP256SHA256", "-K", self.home, *flags, self.args.origin]
            names.append(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout.strip())
        return [f"{self.home}/{name}" for name in names]


class Callbook(Signer):
    program = None

    def command(self):
        options = ["--origin", self.args.origin, "--keys", f"{self.home}/keys", "--new-keys", "--out", self.signed]
        return [self.args.binary, "zone", "sign", self.args.zone, *options]


class Knot(Signer):
    program = "kzonesign"

    def command(self):
        config = f"{self.home}/knot.conf"
        self.signed = f"{self.home}/out/{os.path.basename(self.args.zone)}"
        os.makedirs(f"{self.home}/out")
        with open(config, "w") as out:
            out.write(
                f"server:\n    rundir: {self.home}\ndatabase:\n    storage: {self.home}\n    kasp-db-max-size: 500M\n"
                f"log:\n  - target: stderr\n    any: error\n"
                f"policy:\n  - id: nsec3\n    algorithm: ecdsap256sha256\n    nsec3: on\n    nsec3-iterations: 0\n"
                f"    nsec3-salt-length: 0\n    signing-threads: {os.cpu_count()}\n"
                f"zone:\n  - domain: {self.args.origin}\n    file: {self.args.zone}\n    journal-content: none\n"
                f"    dnssec-signing: on\n    dnssec-policy: nsec3\n"
            )
        return ["kzonesign", "-c", config, "-o", f"{self.home}/out", self.args.origin]


class Bind(Signer):
    program = "dnssec-signzone"

    def command(self):
        self.bind_keys()
        command = ["dnssec-signzone", "-q", "-S", "-P", "-3", "-", "-H", "0", "-n", str(os.cpu_count()), "-K", self.home, "-d", self.home]
        return [*command, "-O", "full", "-o", self.args.origin, "-f", self.signed, self.args.zone]


class Ldns(Signer):
    program = "ldns-signzone"

    def command(self):
        return ["ldns-signzone", "-n", "-t", "0", "-o", self.args.origin, "-f", self.signed, self.args.zone, *self.bind_keys()]


SIGNERS = {"callbook": Callbook, "knot": Knot, "bind": Bind, "ldns": Ldns}


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--n", type=int, default=1_000_000)
    options.add_argument("--rounds", type=int, default=1)
    options.add_argument("--signers", default="callbook,knot,bind,ldns")
    options.add_argument("--verify", action="store_true")
    options.add_argument("--origin", help="of the zone.txt in DIR, if it is not to be made")
    options.add_argument("--binary", default=f"{ROOT}/target/release/callbook")
    options.add_argument("--dir", default=None)
    options.add_argument("--out", default=None)
    args = options.parse_args()
    args.dir = os.path.abspath(args.dir or tempfile.mkdtemp(prefix="sign-beside-peers-"))
    os.makedirs(args.dir, exist_ok=True)
    args.zone = f"{args.dir}/zone.txt"
    if args.origin is None:
        args.origin = APEX
        if not os.path.exists(args.zone):
            make_zone(args.zone, args.n)
    names = [name for name in args.signers.split(",") if SIGNERS[name].program is None or shutil.which(SIGNERS[name].program)]
    print(f"# {args.dir}, signers {', '.join(names)}, {os.cpu_count()} cores", flush=True)
    for number in range(args.rounds):
        for name in names if number % 2 == 0 else names[::-1]:
            home = f"{args.dir}/{name}"
            shutil.rmtree(home, ignore_errors=True)
            os.makedirs(home)
            signer = SIGNERS[name](args, home)
            row = {"round": number, "signer": name, **measured(signer.command())}
            row["octets"], row["signatures"] = os.path.getsize(signer.signed), signatures(signer.signed)
            report(args, row)
            if args.verify and name == "callbook" and number == args.rounds - 1:
                report(args, {"round": number, "signer": "ldns-verify-zone", **measured(["ldns-verify-zone", "-V", "1", signer.signed])})
            shutil.rmtree(home)


def report(args, row):
    line = json.dumps({key: round(value, 2) if isinstance(value, float) else value for key, value in row.items()})
    print(line, flush=True)
    if args.out:
        with open(args.out, "a") as out:
            out.write(line + "\n")


if __name__ == "__main__":
    sys.exit(main())

"""Judges trust repositories with python-tuf's own client, `ngclient.Updater`; or makes one with its metadata API.

trust.py judge SCENARIOS.json   a list of {name, root, steps: [{dir, now, ask: [path]}]}; prints a list of lists of verdicts.
                                The steps of a scenario share what the client keeps.
trust.py make DIR NOW           writes a good repository below DIR, and its pinned root.
"""

import hashlib
import json
import os
import sys
import tempfile
from datetime import datetime, timedelta, timezone
from urllib.parse import unquote

from tuf.api import exceptions
from tuf.api.metadata import (
    DelegatedRole, Delegations, Metadata, MetaFile, Root, Snapshot, TargetFile, Targets, Timestamp,
)
from tuf.ngclient import Updater, UpdaterConfig
from tuf.ngclient.fetcher import FetcherInterface

PREFIX = "repository://x/"


class Folder(FetcherInterface):
    def __init__(self, folder):
        self.folder = folder

    def _fetch(self, url):
        path = os.path.join(self.folder, unquote(url[len(PREFIX):]))
        if not os.path.isfile(path):
            raise exceptions.DownloadHTTPError("nothing there", 404)
        with open(path, "rb") as file:
            yield file.read()


CONFIG = UpdaterConfig(
    root_max_length=256 * 1024, timestamp_max_length=16 * 1024, snapshot_max_length=64 * 1024,
    targets_max_length=2 * 1024 * 1024,
)
NO = (exceptions.RepositoryError, exceptions.DownloadError)


def judge(scenario):
    verdicts = []
    with open(scenario["root"], "rb") as file:
        pinned = file.read()
    with tempfile.TemporaryDirectory() as kept:
        for step in scenario["steps"]:
            verdict = {"ok": False, "why": "", "targets": {}}
            try:
                updater = Updater(
                    kept, PREFIX, os.path.join(kept, "t"), PREFIX + "targets/", Folder(step["dir"]), CONFIG, bootstrap=pinned
                )
                updater._trusted_set.reference_time = datetime.fromtimestamp(step["now"], timezone.utc)
                updater.refresh()
                verdict["ok"] = True
                for path in step["ask"]:
                    verdict["targets"][path] = target(updater, path, kept)
            except NO as error:
                verdict["why"] = f"{type(error).__name__}: {error}"
            verdicts.append(verdict)
    return verdicts


def target(updater, path, kept):
    try:
        info = updater.get_targetinfo(path)
        if info is None:
            return "none"
        with open(updater.download_target(info, os.path.join(kept, "target.tmp")), "rb") as file:
            return hashlib.sha256(file.read()).hexdigest()
    except NO:
        return "refused"


def make(folder, now):
    from securesystemslib.signer import CryptoSigner

    soon = datetime.fromtimestamp(now, timezone.utc) + timedelta(days=3)
    signers = {name: [CryptoSigner.generate_ed25519() for _ in range(n)]
               for name, n in [("root", 3), ("targets", 2), ("snapshot", 1), ("timestamp", 1), ("providers", 1), ("brake", 2)]}
    contents = {
        "charter.md": b"**1.1** The law.\n", "policy.toml": b"format = 1\n",
        "providers/register.json": b"{}", "brake/suspended.json": b"{}",
    }
    root = Root(expires=soon)
    for role in ["root", "targets", "snapshot", "timestamp"]:
        for signer in signers[role]:
            root.add_key(signer.public_key, role)
    root.roles["root"].threshold = 2
    root.roles["targets"].threshold = 2
    roles, keys = {}, {}
    for name in ["brake", "providers"]:
        public = [signer.public_key for signer in signers[name]]
        keys.update({key.keyid: key for key in public})
        roles[name] = DelegatedRole(name, [key.keyid for key in public], len(public), True, paths=[name + "/*"])
    said = {name: Targets(expires=soon) for name in ["targets", "providers", "brake"]}
    said["targets"].delegations = Delegations(keys, roles)
    os.makedirs(os.path.join(folder, "targets", "providers"), exist_ok=True)
    os.makedirs(os.path.join(folder, "targets", "brake"), exist_ok=True)
    for path, data in contents.items():
        role = path.split("/")[0] if "/" in path else "targets"
        info = TargetFile.from_data(path, data, ["sha256"])
        said[role].targets[path] = info
        head, _, tail = path.rpartition("/")
        with open(os.path.join(folder, "targets", head, info.hashes["sha256"] + "." + tail), "wb") as file:
            file.write(data)

    def write(signed, role, name):
        metadata = Metadata(signed)
        for signer in signers[role][:2]:
            metadata.sign(signer, append=True)
        metadata.to_file(os.path.join(folder, name))
        with open(os.path.join(folder, name), "rb") as file:
            return file.read()

    write(root, "root", "1.root.json")
    snapshot = Snapshot(expires=soon, meta={})
    for role, signed in said.items():
        data = write(signed, role, "1." + role + ".json")
        snapshot.meta[role + ".json"] = MetaFile.from_data(1, data, ["sha256", "sha512"])
    data = write(snapshot, "snapshot", "1.snapshot.json")
    timestamp = Timestamp(expires=soon, snapshot_meta=MetaFile.from_data(1, data, ["sha256"]))
    write(timestamp, "timestamp", "timestamp.json")


if sys.argv[1] == "make":
    make(sys.argv[2], int(sys.argv[3]))
else:
    with open(sys.argv[2], encoding="utf-8") as file:
        print(json.dumps([judge(scenario) for scenario in json.load(file)]))

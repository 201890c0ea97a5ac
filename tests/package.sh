#!/bin/sh
# Installs, upgrades, removes and purges the package in a copy of this machine's file system that is thrown away afterwards, without a network.
#
#   unshare --mount --net tests/package.sh OLD.deb NEW.deb
#
# Needs to be root there. systemd does not run in the copy: the program is started as the unit would, by the same user.
set -eu
old=$(readlink -f "$1") new=$(readlink -f "$2")

# Nothing is ever deleted here: what the copy holds is memory, and goes with the mounts of this namespace.
if [ -z "${IN_COPY:-}" ]; then
    top=$(mktemp -d)
    mount --make-rprivate /
    mount -t tmpfs tmpfs "$top"
    mkdir "$top/upper" "$top/work" "$top/root"
    # What is written stays in memory above; the machine's own files are below, and read alone.
    mount -t overlay overlay -o "lowerdir=/,upperdir=$top/upper,workdir=$top/work" "$top/root" || exit 77
    for folder in dev run tmp; do mount -t tmpfs tmpfs "$top/root/$folder"; done
    mount -t proc proc "$top/root/proc"
    for device in null zero full random urandom; do
        : >"$top/root/dev/$device"
        mount --bind "/dev/$device" "$top/root/dev/$device"
    done
    ln -s /proc/self/fd "$top/root/dev/fd"
    cp "$old" "$top/root/tmp/old.deb"
    cp "$new" "$top/root/tmp/new.deb"
    cp "$0" "$top/root/tmp/package.sh"
    ip link set lo up
    code=0
    IN_COPY=yes DEBIAN_FRONTEND=noninteractive chroot "$top/root" timeout 240 sh /tmp/package.sh /tmp/old.deb /tmp/new.deb || code=$?
    umount -l "$top"
    rmdir "$top"
    exit $code
fi

cd /
service=
trap '[ -z "$service" ] || kill -KILL $service 2>/dev/null || true' EXIT
say() { echo "== $*"; }
must() { "$@" || { echo "FAILED: $*" >&2; exit 1; }; }
as_callbook() { (exec_as_callbook "$@"); }
exec_as_callbook() { exec setpriv --reuid callbook --regid callbook --clear-groups --no-new-privs env HOME=/var/lib/callbook CALLBOOK_DIR=/var/lib/callbook "$@"; }
until_it_answers() {
    tries=0
    until dig +short +tries=1 +time=1 @127.0.0.1 -p 5300 e164.example SOA 2>/dev/null | grep -q . && curl -sf http://127.0.0.1:8300/healthz >/dev/null; do
        tries=$((tries + 1))
        [ $tries -lt 150 ] || { cat /tmp/serve.log; exit 1; }
        sleep 0.2
    done
}
start() {
    # As the unit does: the check first, then the service.
    must as_callbook callbook config check >/dev/null
    exec_as_callbook callbook serve >/tmp/serve.log 2>&1 &
    service=$!
    until_it_answers
}
stop() {
    kill -TERM $service
    wait $service || { cat /tmp/serve.log; exit 1; }
    service=
}
head_of_log() { curl -sS http://127.0.0.1:8300/v1/log/gov/checkpoint | sed -n 2,3p; }

say "install $(dpkg-deb -f "$old" Version)"
dpkg -i "$old" >/tmp/install.log 2>&1 || { cat /tmp/install.log; exit 1; }
must grep -q 'callbook init --dir /var/lib/callbook' /tmp/install.log
[ "$(stat -c %U:%G:%a /var/lib/callbook)" = callbook:callbook:700 ] || { ls -ld /var/lib/callbook; exit 1; }
[ "$(stat -c %U:%a /var/lib/callbook-signer)" = callbook-signer:700 ] || { ls -ld /var/lib/callbook-signer; exit 1; }
must man --path callbook-zone-export >/dev/null
must test -s /usr/share/bash-completion/completions/callbook
must systemd-analyze verify /usr/lib/systemd/system/callbook.service /usr/lib/systemd/system/callbook-signer.service

say "first start"
must as_callbook callbook init --dir /var/lib/callbook --config /etc/callbook/config.toml --apex e164.example --host directory.example >/dev/null
[ "$(readlink /var/lib/callbook/config.toml)" = /etc/callbook/config.toml ] || exit 1
if as_callbook callbook init --dir /var/lib/callbook --config /etc/callbook/config.toml --apex e164.example 2>/dev/null; then
    echo "init has overwritten an installation" >&2
    exit 1
fi
start
must as_callbook callbook provider add acme --folder /tmp/acme --token-file /var/lib/callbook/operator.token --api http://127.0.0.1:8300 >/dev/null
must as_callbook callbook number register "+44 7700 900123" --sip sip:alice@acme.example --provider /tmp/acme >/dev/null
must as_callbook callbook lookup "+44 7700 900123" --server 127.0.0.1:5300 --anchor /var/lib/callbook/anchor.key >/dev/null
before=$(head_of_log)
stop
printf '\n# The operator was here.\n' >>/etc/callbook/config.toml
settings=$(sha256sum </etc/callbook/config.toml)

say "upgrade to $(dpkg-deb -f "$new" Version)"
dpkg -i "$new" >/tmp/upgrade.log 2>&1 || { cat /tmp/upgrade.log; exit 1; }
! grep 'callbook init' /tmp/upgrade.log || exit 1
[ "$(sha256sum </etc/callbook/config.toml)" = "$settings" ] || { echo "the upgrade has changed the settings" >&2; exit 1; }
start
must as_callbook callbook lookup "+44 7700 900123" --server 127.0.0.1:5300 --anchor /var/lib/callbook/anchor.key >/dev/null
after=$(head_of_log)
[ "${after%%
*}" -ge "${before%%
*}" ] || { echo "the log went back: $before, $after" >&2; exit 1; }
must as_callbook callbook log verify http://127.0.0.1:8300 >/dev/null
stop

say "downgrade, for the way back"
dpkg -i "$old" >/tmp/downgrade.log 2>&1 || { cat /tmp/downgrade.log; exit 1; }
start
stop

say "remove"
dpkg -r callbook >/tmp/remove.log 2>&1 || { cat /tmp/remove.log; exit 1; }
! [ -e /usr/bin/callbook ] || { echo "the program is still there" >&2; exit 1; }
must test -s /var/lib/callbook/data/ledger.sqlite
say "install again"
dpkg -i "$new" >/tmp/again.log 2>&1 || { cat /tmp/again.log; exit 1; }
! grep 'callbook init' /tmp/again.log || exit 1
start
must as_callbook callbook lookup "+44 7700 900123" --server 127.0.0.1:5300 --anchor /var/lib/callbook/anchor.key >/dev/null
stop
say "purge"
dpkg -P callbook >/tmp/purge.log 2>&1 || { cat /tmp/purge.log; exit 1; }
must grep -q '/var/lib/callbook is kept' /tmp/purge.log
must test -s /var/lib/callbook/data/ledger.sqlite
must test -s /etc/callbook/config.toml
say "as promised"

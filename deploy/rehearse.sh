#!/bin/bash
# Rehearses README.md beside it: installs without internet and runs the unit under a real systemd.
#
#     sudo deploy/rehearse.sh                         Debian with python3-venv, iproute2, systemd
#     sudo deploy/rehearse.sh /path/parcel-sorter.tar what section 1 made, without internet here either
#
# Nothing of the machine is changed or reached: systemd is process 1 of namespaces of its own, with
# no network but loopback, on a copy-on-write view of the disk that is gone afterwards. Takes about
# eight minutes. Exit code: 0 everything is as README.md says, 1 something is not.
set -euo pipefail

# The commands of README.md are run as they stand there: those of its n-th block.
block() { awk -v wanted="$1" '/^```/ {fence++; next} fence == 2 * wanted - 1' "$2"; }

outside() {
    [ "$(id -u)" = 0 ] || { echo "rehearse.sh: needs root, for namespaces" >&2; exit 2; }
    cgroups=$(findmnt --noheadings --types cgroup2 --output TARGET | head -n 1)
    [ -n "$cgroups" ] || { echo "rehearse.sh: no cgroup2 is mounted" >&2; exit 2; }
    folder=$(mktemp --directory)
    cgroup=$cgroups/parcel-sorter-rehearsal-$$
    mkdir "$cgroup"
    systemd=""
    trap clean EXIT
    trap 'exit 1' INT TERM
    echo "== 1. on a machine with internet"
    if [ -n "$1" ]; then
        cp "$1" "$folder/parcel-sorter.tar"
    else
        mkdir "$folder/checkout"
        git -C "$(dirname "$script")/.." archive HEAD | tar x -C "$folder/checkout"
        (cd "$folder/checkout" && bash -ec "$(block 1 deploy/README.md)") >"$folder/log" 2>&1 ||
            { tail -n 20 "$folder/log"; exit 1; }
        mv "$folder/checkout/parcel-sorter.tar" "$folder"
    fi
    echo "== 2. on the line PC: systemd starts"
    # Into the cgroup first: its namespace then ends there, and systemd orders nothing else.
    (echo $BASHPID >"$cgroup/cgroup.procs" && exec unshare --pid --mount --cgroup --net --uts --ipc \
        --fork --propagation private "$script" inside "$folder") >"$folder/log" 2>&1 </dev/null &
    for _ in $(seq 100); do
        sleep 0.2
        systemd=$(pgrep --parent $! || true)
        [ -n "$systemd" ] && enter systemctl is-active --quiet sysinit.target 2>/dev/null && break
    done
    enter systemctl is-active --quiet sysinit.target || { tail -n 20 "$folder/log"; exit 1; }
    enter bash -s line_pc <"$script"
}

enter() {
    nsenter --target "$systemd" --mount --pid --net --cgroup --ipc --uts \
        env --ignore-environment PATH=/usr/sbin:/usr/bin:/sbin:/bin "$@"
}

clean() {
    [ -z "$systemd" ] || kill -KILL "$systemd" || true # and with it all of its namespace
    wait || true
    find "$cgroup" -depth -type d -exec rmdir {} + || true
    rm -rf "$folder"
}

# Process 1 of the new namespaces: lay out the line PC and become its systemd.
inside() {
    mkdir "$1/disk" && mount -t tmpfs -o size=3G tmpfs "$1/disk" && cp "$1/parcel-sorter.tar" "$1/disk"
    set -- "$1/disk"
    mkdir "$1/upper" "$1/work" "$1/root"
    root=$1/root
    mount -t overlay overlay -o "lowerdir=/,upperdir=$1/upper,workdir=$1/work" "$root"
    mount -t proc proc "$root/proc"
    mount --bind "$root/proc/sys" "$root/proc/sys" && mount -o remount,bind,ro "$root/proc/sys"
    mount -t sysfs -o ro sysfs "$root/sys"
    mount -t cgroup2 cgroup2 "$root/sys/fs/cgroup"
    for place in run dev; do mount -t tmpfs -o mode=755 tmpfs "$root/$place"; done
    for place in tmp var/tmp; do mount -t tmpfs -o mode=1777 tmpfs "$root/$place"; done
    for node in null zero full random urandom tty; do
        touch "$root/dev/$node" && mount --bind "/dev/$node" "$root/dev/$node"
    done
    mkdir "$root"/dev/{shm,pts,mqueue} && mount -t tmpfs tmpfs "$root/dev/shm"
    mount -t devpts -o newinstance,ptmxmode=0666 devpts "$root/dev/pts"
    ln -s pts/ptmx "$root/dev/ptmx" # the unit's PrivateDevices= wants them
    ln -s /proc/self/fd "$root/dev/fd"
    units=$root/etc/systemd/system
    mkdir -p "$units" "$root/root" "$root/old"
    for unit in systemd-{sysctl,modules-load,binfmt,udevd,udev-trigger,timesyncd,remount-fs}.service \
        systemd-{random-seed,update-utmp}.service systemd-udevd-{kernel,control}.socket \
        proc-sys-fs-binfmt_misc.automount dev-{hugepages,mqueue}.mount \
        sys-kernel-{debug,tracing,config}.mount sys-fs-fuse-connections.mount; do
        ln -sf /dev/null "$units/$unit"
    done
    : >"$root/etc/fstab" && : >"$root/etc/machine-id"
    cp "$1/parcel-sorter.tar" "$root/root/"
    hostname line-pc && ip link set lo up
    cd "$root" && pivot_root . old && umount -l /old
    exec env --ignore-environment container=rehearsal PATH=/usr/sbin:/usr/bin:/sbin:/bin \
        /lib/systemd/systemd --system --unit=sysinit.target --log-target=journal
}

# --- what is done on the line PC ------------------------------------------------------------------
failed=0
is() { if eval "$2"; then echo "   yes: $1"; else echo "    NO: $1"; failed=1; fi; }
of_unit() { systemctl show parcel-sorter --property "$1" --value; }
active() { systemctl is-active --quiet parcel-sorter; }
until_true() { for _ in $(seq $(($1 * 5))); do eval "$2" && return 0; sleep 0.2; done; return 1; }
another_process() { active && [ "$(of_unit MainPID)" != "$process" ]; }
figure() { curl --silent http://127.0.0.1:9464/metrics | awk -v n="$1" 'index($1, n) == 1 {s += $2} END {print s + 0}'; }
plc() {
    systemctl stop plc-sim 2>/dev/null || true
    systemctl reset-failed plc-sim 2>/dev/null || true
    systemd-run --quiet --unit plc-sim --working-directory /opt/parcel-sorter .venv/bin/python \
        -m plc_sim --config config/scenarios/default.yaml --modbus-port 5020 "$@"
    until_true 400 "(exec 3<>/dev/tcp/127.0.0.1/5020) 2>/dev/null" || # the first compiles
        { journalctl --unit plc-sim --lines 20; exit 1; }
}

line_pc() {
    cd /root && tar xf parcel-sorter.tar deploy && readme=/root/deploy/README.md
    bash -ec "$(block 2 $readme)" >/root/install.log 2>&1 || { tail -n 20 /root/install.log; exit 1; }
    cd /opt/parcel-sorter
    places=$(block 3 $readme | sed -n 's#^  \([a-z]*\): \(/.*\)#s|^  \1: .*|  \1: \2|;#p')
    sed -i "$places" /etc/parcel-sorter/line.yaml
    plc --parcels 0
    bash -ec "$(block 4 $readme | grep -v '^journalctl')" >/root/start.log 2>&1 ||
        { tail -n 5 /root/start.log; journalctl --lines 20 --unit parcel-sorter; exit 1; }
    is "installed without internet, checked, simulated, started" active
    is "systemd takes every line of the unit" \
        '[ -z "$(systemd-analyze verify parcel-sorter.service 2>&1)" ]'
    is "and says nothing at the start" \
        '! journalctl --unit parcel-sorter --identifier "(sorter)" --quiet | grep .'
    systemd-analyze security parcel-sorter.service | tail -n 1
    process=$(of_unit MainPID)
    echo "   idle for 40 s, without PLC for 40 s"
    sleep 40
    is "an idle line is not restarted" '[ "$(of_unit MainPID)" = "$process" ]'
    systemctl stop plc-sim && sleep 40
    is "nor one without PLC" '[ "$(of_unit MainPID)" = "$process" ]'
    is "which says so: $(of_unit StatusText)" '[[ $(of_unit StatusText) == "no link"* ]]'
    systemctl stop parcel-sorter
    is "systemctl stop ends it cleanly" '[ "$(of_unit Result)" = success ]'
    under_load
    encrypted
    exit $failed
}

under_load() {
    echo "   400 parcels"
    rm -f /var/lib/parcel-sorter/journal.sqlite* /var/lib/parcel-sorter/returns.sqlite
    mkdir -p /srv/feed && .venv/bin/python -c 'from pathlib import Path
from sorter.rehearsal.parcels import prepare_parcels
prepare_parcels(Path("/srv/feed"), 400, 9000.0, 1, None)'
    install -o parcel-sorter -m 640 /srv/feed/returns.sqlite /var/lib/parcel-sorter/
    plc --rate 9000 --feed /srv/feed/feed.csv --truth /srv/truth.jsonl
    systemctl start parcel-sorter
    is "20 parcels sorted" 'until_true 90 "[ \$(figure sorter_parcels_total) -gt 20 ]"'
    process=$(of_unit MainPID) && kill -KILL "$process"
    is "killed with -9: started again" 'until_true 30 another_process'
    is "and sorts" 'until_true 60 "[ \$(figure sorter_parcels_total) -gt 5 ]"'
    process=$(of_unit MainPID) && kill -STOP "$process"
    is "standing still: the watchdog starts it again" 'until_true 60 another_process'
    is "and the log says where it stood" \
        'journalctl --unit parcel-sorter --output cat | grep "Fatal Python error: Aborted" ||
            { journalctl --unit parcel-sorter --output cat --since -3min | tail -n 30; false; }'
    is "the belt is empty" \
        "until_true 400 'journalctl --unit plc-sim --lines 1 --output cat | grep \"\\\"on_line\\\": 0,.*\\\"ended\\\": 400\" >/dev/null'"
    sleep 5 && systemctl stop parcel-sorter
    is "every parcel is accounted for, as in the truth" '.venv/bin/python -c "
from sorter.runtime.reconcile import reconcile
found = reconcile(\"/var/lib/parcel-sorter/journal.sqlite\", \"/srv/truth.jsonl\")
print(\"        physical\", found.physical, \"recorded\", found.recorded, *found.details[:5])
raise SystemExit(bool(found.unaccounted or found.truth_mismatches or found.physical != 400))"'
    is "the journal replays" '.venv/bin/sorter replay /var/lib/parcel-sorter/journal.sqlite >/dev/null'
}

encrypted() {
    echo "   encrypted"
    bash -ec "$(block 5 $readme)" >/root/certs.log 2>&1 || { tail -n 5 /root/certs.log; exit 1; }
    is "plain text to an encrypted PLC is not sorted" \
        "plc --rate 9000 --feed /srv/feed/feed.csv --certs /root/certs; ! systemctl start parcel-sorter"
    block 6 $readme >/root/certificates
    sed -i -e '/^    [a-z]*: {mode: /d' -e '/^io:/r /root/certificates' /etc/parcel-sorter/line.yaml
    bash -ec "$(block 7 $readme)" >/root/check.log 2>&1 || { cat /root/check.log; failed=1; }
    is "20 parcels sorted, encrypted" 'until_true 90 "[ \$(figure sorter_parcels_total) -gt 20 ]"'
    systemctl stop parcel-sorter
    is "and stopped cleanly" '[ "$(of_unit Result)" = success ]'
}

script=$(readlink --canonicalize "$0")
case ${1-} in
    inside | line_pc | block) "$@" ;;
    *) outside "${1-}" ;;
esac

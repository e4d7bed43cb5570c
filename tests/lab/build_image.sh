#!/bin/bash
# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Builds the lab's base image with debootstrap and imports it into Podman's
# own storage, where it stays cached under its tag.
#
# usage: build_image.sh TAG SUITE PACKAGE,PACKAGE... [MIRROR]

set -euo pipefail

tag=$1
suite=$2
packages=$3
mirror=${4:-}

work=$(mktemp -d "${TMPDIR:-/var/tmp}/labops-lab-image.XXXXXX")
trap 'rm -rf --one-file-system -- "$work"' EXIT
root=$work/root

debootstrap --variant=minbase --include="$packages" "$suite" "$root" ${mirror:+"$mirror"} \
  >"$work/debootstrap.log" 2>&1 || {
  tail -n 40 "$work/debootstrap.log" "$root/debootstrap/debootstrap.log" >&2 || true
  exit 1
}

# Every host gets its own identity later, never the image's.
rm -f "$root"/etc/ssh/ssh_host_*
: >"$root/etc/machine-id"
rm -f "$root"/var/lib/dbus/machine-id

# A container has no console to log in at, and no disks of its own to check.
ln -sf /dev/null "$root/etc/systemd/system/console-getty.service"
ln -sf /dev/null "$root/etc/systemd/system/getty.target"

# The daily apt timers would hold the dpkg lock just when a test needs it.
ln -sf /dev/null "$root/etc/systemd/system/apt-daily.timer"
ln -sf /dev/null "$root/etc/systemd/system/apt-daily-upgrade.timer"

# As on a real host: a journal that outlives a restart, and root's own ssh folder.
mkdir -p "$root/var/log/journal"
install -d -m 0700 "$root/root/.ssh"

printf 'LANG=C.UTF-8\n' >"$root/etc/default/locale"
rm -rf "$root"/var/cache/apt/archives/*.deb "$root"/var/lib/apt/lists/*

tar -C "$root" --numeric-owner --xattrs --acls -c . | podman import --quiet - "$tag"

#!/bin/sh
# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
#
# What this collection replaces: rsync, borg create and borg prune one after the other, nothing compared, nothing proven.
# usage: plain.sh DIRECTORY ADDRESS
set -eu
base=$1 address=$2
export BORG_BASE_DIR="$base/borg" BORG_PASSPHRASE=bench BORG_UNKNOWN_UNENCRYPTED_REPO_ACCESS_IS_OK=no
ssh="ssh -i /etc/labops-backup/ssh/tatchu -o IdentitiesOnly=yes -o BatchMode=yes -o UserKnownHostsFile=/etc/labops-backup/ssh/known_hosts"
for dataset in database blobs data; do
  mkdir -p "$base/mirror/$dataset" "$base/repositories"
  rsync -aHAX --numeric-ids --delete -e "$ssh" "labops-pull@$address::$dataset/" "$base/mirror/$dataset/"
done
for dataset in database blobs data; do
  [ -d "$base/repositories/$dataset" ] || borg init --encryption repokey-blake2 "$base/repositories/$dataset" 2>/dev/null
  borg create --compression zstd,22 "$base/repositories/$dataset::{now:%Y-%m-%dT%H:%M:%S.%f}" "$base/mirror/$dataset"
  borg prune --keep-daily 14 --keep-weekly 8 --keep-monthly 24 "$base/repositories/$dataset"
  borg compact "$base/repositories/$dataset"
done

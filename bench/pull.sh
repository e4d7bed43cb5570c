#!/bin/sh
# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
#
# The pulls before borgmatic's create; BASE and ADDRESS are put in by nights.py.
set -eu
ssh="ssh -i /etc/labops-backup/ssh/tatchu -o IdentitiesOnly=yes -o BatchMode=yes -o UserKnownHostsFile=/etc/labops-backup/ssh/known_hosts"
for dataset in database blobs data; do
  mkdir -p "BASE/mirror/$dataset"
  rsync -aHAX --numeric-ids --delete -e "$ssh" "labops-pull@ADDRESS::$dataset/" "BASE/mirror/$dataset/"
done

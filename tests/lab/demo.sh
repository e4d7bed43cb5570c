#!/usr/bin/env bash
# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
#
# From nothing to a sealed recovery point on two real hosts; then a disaster, and the way back. Run by: make demo
set -euo pipefail
cd "$(dirname "$0")/../.."

began=$SECONDS
stage_number=0
stage() {
  stage_number=$((stage_number + 1))
  printf '\n\033[1m== %d/11 %s\033[0m  (%d s so far)\n' "$stage_number" "$1" "$((SECONDS - began))"
}

# The line that cron.d holds, run by the shell and with the environment that cron would use. The terminal is for the
# one who watches: on one, the job shows what it does.
as_cron_would() { # HOST JOB
  local line
  line=$(ssh -F .lab/ssh_config "$1" grep -v -e '^#' -e '^[A-Z]' "/etc/cron.d/labops-backup-$2")
  echo "cron line: $line"
  ssh -F .lab/ssh_config -tt "$1" env -i SHELL=/bin/sh HOME=/root LOGNAME=root PATH=/usr/bin:/bin \
    /bin/sh -c "'$(cut -d' ' -f7- <<<"$line")'" </dev/null
}

playbook() {
  ANSIBLE_CONFIG="$PWD/ansible.cfg" .venv/bin/ansible-playbook -i .lab/inventory "$@"
}

stage "The development environment"
make --no-print-directory venv

stage "Two hosts, and a live DataJoint pipeline on one of them"
make --no-print-directory lab

stage "site.yml provisions LOKI and TATCHU"
playbook site.yml

stage "TATCHU's dump job, as cron would start it"
as_cron_would tatchu dump

stage "LOKI's night, as cron would start it"
as_cron_would loki backup

stage "The recovery point"
playbook playbooks/status.yml

stage "Disaster: the schemas are dropped, blobs and recordings deleted, while the worker writes"
ssh -F .lab/ssh_config tatchu bash -eu <<'END'
mariadb -e 'SET foreign_key_checks = 0; DROP DATABASE lab_ephys; DROP DATABASE lab_imaging;
  DROP DATABASE lab_session; DROP DATABASE lab_subject'
find /datajoint-db/blobs /datajoint-data -mindepth 1 -delete
END
echo "gone: $(ssh -F .lab/ssh_config tatchu 'find /datajoint-db/blobs /datajoint-data -type f | wc -l') files are left"

stage "restore.yml --tags fence: backups hold, writers stop"
playbook restore.yml --tags fence

stage "restore.yml: what is lost, and what would be done"
playbook restore.yml -e restore_scope=auto,database -e restore_plan_file="$PWD/.lab/plan.json"
point=$(.venv/bin/python -c 'import json, sys; print(json.load(open(sys.argv[1]))["point"])' .lab/plan.json)

stage "restore.yml, confirmed: database, blobs, data, checks"
playbook restore.yml -e restore_scope=auto,database -e "restore_confirm=$point"

stage "restore.yml --tags release; DataJoint fetches every row, blob and recording"
playbook restore.yml --tags release
ssh -F .lab/ssh_config tatchu /opt/lab-pipeline/venv/bin/python - <tests/lab/fetch_all.py

cat <<END

Done in $((SECONDS - began)) s. The hosts stay up. Try next:

  .venv/bin/ansible-playbook -i .lab/inventory playbooks/backup.yml     # another night; only what changed is stored
  ssh -F .lab/ssh_config loki backup_tatchu_blobs.sh                    # one of the documented scripts, by hand
  ssh -F .lab/ssh_config tatchu journalctl -fu datajoint-worker         # watch the pipeline that is being protected

Remove everything with: make clean
END

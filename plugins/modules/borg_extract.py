#!/usr/bin/python
# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Extract an archive, or some paths of it, and prove what came out."""

from __future__ import annotations

DOCUMENTATION = r"""
module: borg_extract
short_description: Extract an archive, or some paths of it, and prove what came out
version_added: "0.1.0"
author: labops.backup contributors (@labops)
description:
  - Writes what an archive of a mirror holds into a new folder, with owners by number, modes, times, ACLs, extended
    attributes, hard links and holes. The folder gets its name when everything is there.
  - With O(manifest) everything that came out is read, and must have the kind, size, SHA-256, owner, mode and time that
    stand there. Borg ends well although a path that was asked for is not in the archive; here that is a failure.
  - Borg 1.x stores no time before 1970 or after 2038-01-17. Those are set from O(manifest).
  - Sockets are in no archive; a manifest's entries of them are passed over.
  - A call that was interrupted is repeated; what it had written is removed first. A folder that a former call has
    finished is read again, and taken as it is.
extends_documentation_fragment:
  - labops.backup._attributes
  - labops.backup._borg
  - labops.backup._operation
attributes:
  check_mode:
    support: full
    details: Opens the repository, finds the archive, counts from O(manifest) and looks for space.
  diff_mode:
    support: none
  idempotent:
    support: full
    details: Needs O(manifest). Without it, a folder that exists is refused.
options:
  archive:
    description: The archive of exactly this name.
    type: str
    required: true
  archive_id:
    description: The id that it must have, from the seal of the recovery point.
    type: str
  dataset:
    description: The name of the folder in the archive, which is the name of its mirror. O(destination) takes its place.
    type: str
    required: true
  destination:
    description:
      - The new folder. The folder that holds it must exist and should be closed to everybody but root. While it works,
        C(.extracting) is added to the name.
    type: path
    required: true
  paths_file:
    description:
      - The file that lists what is extracted, paths as raw bytes relative to the dataset, a NUL after each. Needs
        O(manifest). If it is not given, everything is extracted.
      - A folder that is listed gets its owner, mode and time, and nothing of what is below it. Folders that are not
        listed are made for root alone.
      - List all names of a file with several names, or the link between them is lost.
    type: path
  manifest:
    description: The content manifest of the archive, from the seal of the recovery point.
    type: path
  lock:
    description:
      - A lock file that is held by the module, and by Borg as long as it lives. When another process holds it, the
        module fails at once.
    type: path
  progress_file:
    description:
      - A JSON document that tells once a second how far it has come, with C(bytes), C(total_bytes) and C(seconds_left).
    type: path
  stall_seconds:
    description: End Borg when it has reported no progress for so many seconds; V(0) for never.
    type: int
    default: 3600
  ledger_dir:
    description:
      - The folder of the ledger of this host. With it this is a step of a drill, which is not begun, and ends within
        seconds, while a night is at work; C(kind) in the result is V(gave_way) then.
    type: path
  hold:
    description: The document of a hold, see M(labops.backup.backup_hold). With O(ledger_dir), this gives way to it too.
    type: path
notes:
  - While it runs, Borg can neither archive into this repository nor check it.
  - Names that a file of patterns cannot hold go to Borg as arguments, as many at once as the system takes. Where that
    needs several calls of Borg, names of one file are joined again afterwards.
seealso:
  - module: labops.backup.borg_create
  - module: labops.backup.rsync_push
"""

EXAMPLES = r"""
- name: Extract what was lost of the blobs
  labops.backup.borg_extract:
    repository: /srv/backup/borg/tatchu/blobs
    passphrase_file: /etc/labops-backup/borg/tatchu.passphrase
    base_dir: /var/lib/labops-backup/borg
    archive: tatchu-blobs-20261123T023000Z-77b0aa
    dataset: blobs
    destination: /srv/backup/staging/tatchu/restore/20261124T081500Z-4d2a10/blobs
    paths_file: /srv/backup/staging/tatchu/restore/20261124T081500Z-4d2a10/blobs.restore
    manifest: /srv/backup/staging/tatchu/restore/20261124T081500Z-4d2a10/blobs.content
"""

RETURN = r"""
destination:
  description: The folder.
  returned: success
  type: str
files:
  description:
    - Regular files that came out and were proven; in check mode that would come out. Every name of a file counts.
    - Without O(manifest), all entries but directories, and 0 in check mode.
  returned: success
  type: int
  sample: 1200
bytes:
  description: Their size in bytes; of several names of one file the first counts.
  returned: success
  type: int
  sample: 734003200
sockets:
  description: Listed sockets, which no archive holds.
  returned: success
  type: int
  sample: 0
times:
  description: Times that were set from O(manifest).
  returned: success
  type: int
  sample: 1
batches:
  description: How often Borg was called; 0 when nothing had to be extracted.
  returned: success
  type: int
  sample: 1
seconds:
  description: How long it took, in seconds.
  returned: success
  type: float
  sample: 12.8
problems:
  description: The first 20 paths that are not as O(manifest) says.
  returned: when there are any
  type: list
  elements: str
problem_count:
  description: All of them.
  returned: when there are any
  type: int
unknown:
  description: The first 20 listed paths that O(manifest) does not know.
  returned: when there are any
  type: list
  elements: str
msgid:
  description: The cause of a failure in Borg's words.
  returned: when Borg failed
  type: str
  sample: Archive.DoesNotExist
rc:
  description: Borg's exit code.
  returned: when Borg failed
  type: int
"""

import typing as t

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.labops.backup.plugins.module_utils import _extract
from ansible_collections.labops.backup.plugins.module_utils._arguments import BORG, OPERATION
from ansible_collections.labops.backup.plugins.module_utils._errors import BackupError
from ansible_collections.labops.backup.plugins.module_utils._host import _priority
from ansible_collections.labops.backup.plugins.module_utils._module import run_module
from ansible_collections.labops.backup.plugins.module_utils._tools import _borg

_OWN: dict[str, t.Any] = {
    "archive": {"type": "str", "required": True},
    "archive_id": {"type": "str"},
    "dataset": {"type": "str", "required": True},
    "destination": {"type": "path", "required": True},
    "paths_file": {"type": "path"},
    "manifest": {"type": "path"},
    "lock": {"type": "path"},
    "progress_file": {"type": "path"},
    "stall_seconds": {"type": "int", "default": 3600},
}
ARGUMENT_SPEC: dict[str, t.Any] = {
    **BORG,
    **OPERATION,
    **_OWN,
    "ledger_dir": {"type": "path"},
    "hold": {"type": "path"},
}


def _work(module: AnsibleModule) -> dict[str, t.Any]:
    options = module.params
    request = _extract.Request(**{name: options[name] for name in _OWN})
    give_way = None
    if options["ledger_dir"] is not None:
        give_way = _priority.Priority("drill", options["ledger_dir"], options["hold"]).reason
        if reason := give_way():
            raise BackupError(reason, untouched="Nothing was extracted", remedy="Run again later", kind=_borg.GAVE_WAY)
    return _extract.extract(_borg.Repository.of(options, give_way), request, dry_run=module.check_mode)


def main() -> None:
    """Run the module."""
    run_module(ARGUMENT_SPEC, _work)


if __name__ == "__main__":
    main()

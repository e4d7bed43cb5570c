# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
import os
import pathlib

import pytest
from ansible_collections.labops.backup.plugins.module_utils._errors import BackupError
from ansible_collections.labops.backup.plugins.module_utils._host import _crontab


def test_a_user_means_the_spool_that_is_there(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_crontab, "_SPOOLS", ("/nonexistent/crontabs", str(tmp_path)))
    assert _crontab.path_of("anna") == str(tmp_path / "anna")
    assert _crontab.path_of("/etc/cron.d//lab") == "/etc/cron.d/lab"


@pytest.mark.parametrize("name", ["", "../root", "a/b", ".x", "a\nb"])
def test_what_can_be_no_crontab_is_refused(name: str) -> None:
    with pytest.raises(BackupError, match="is neither a user nor an absolute path"):
        _crontab.path_of(name)


def test_any_bytes_owner_mode_and_time_come_back(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "anna"
    path.write_bytes(bytes(range(256)))
    os.chown(path, 1234, 4321)
    path.chmod(0o640)
    os.utime(path, ns=(5, 1_600_000_000_000_000_007))
    before = path.stat()
    saved = _crontab.save(str(path))
    assert saved is not None
    saved = json.loads(json.dumps(saved))
    _crontab.remove(str(path))
    assert not _crontab.is_there(saved)
    (tmp_path / ".anna.labops-new").write_text("left by a killed run")
    _crontab.put_back(saved)
    after = path.stat()
    assert path.read_bytes() == bytes(range(256))
    for name in ("st_uid", "st_gid", "st_mode", "st_mtime_ns"):
        assert getattr(after, name) == getattr(before, name)
    assert (os.listdir(tmp_path), _crontab.is_there(saved)) == (["anna"], True)


def test_a_link_comes_back_as_a_link(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "lab"
    path.symlink_to("/opt/lab/crontab")
    saved = _crontab.save(str(path))
    assert saved is not None
    _crontab.remove(str(path))
    _crontab.put_back(saved)
    assert os.readlink(path) == "/opt/lab/crontab"


def test_none_is_none_and_a_folder_is_refused(tmp_path: pathlib.Path) -> None:
    assert _crontab.save(str(tmp_path / "nobody")) is None
    with pytest.raises(BackupError, match="is no file that could be a crontab"):
        _crontab.save(str(tmp_path))

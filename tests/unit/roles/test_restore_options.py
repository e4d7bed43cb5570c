# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The options of restore.yml: what its head explains is what it knows."""

from __future__ import annotations

import pathlib
import re

import yaml

PLAYBOOK = pathlib.Path(__file__).resolve().parents[3] / "playbooks/restore.yml"


def test_every_option_that_is_explained_or_read_is_known() -> None:
    text = PLAYBOOK.read_text()
    settle, restore, *_ = yaml.safe_load(text)
    check = next(task for task in settle["pre_tasks"] if "misspelt" in task["name"])
    known = set(re.findall(r"'(restore_\w+)'", check["vars"]["options_known"]))
    known |= {f"restore_{name}" for name in settle["vars"]["restore_options"]}
    explained = set(re.findall(r"^#   (restore_\w+) ", text, re.MULTILINE))
    assert len(explained) > 15
    assert explained <= known
    assert set(restore["vars"]) <= known

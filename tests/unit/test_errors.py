# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible_collections.labops.backup.plugins.module_utils._errors import BackupError, ToolError


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        ({"what": "it broke"}, "it broke."),
        ({"what": "it broke.", "remedy": "Mend it. "}, "it broke. Mend it."),
        (
            {"what": "it broke", "untouched": "Nothing was changed", "remedy": "Mend it"},
            "it broke. Nothing was changed. Mend it.",
        ),
    ],
)
def test_a_message_is_one_sentence_a_part(parts: dict[str, str], message: str) -> None:
    error = BackupError(**parts)
    assert error.message == message == str(error)


def test_facts_are_kept_for_the_result() -> None:
    assert BackupError("it broke", dataset="blobs", deleted=3).facts == {"dataset": "blobs", "deleted": 3}


@pytest.mark.parametrize(
    ("stderr", "message"),
    [
        ("", "borg list failed (exit code 2). Nothing was changed."),
        ("no space\n", "borg list failed (exit code 2): no space. Nothing was changed."),
    ],
)
def test_a_tool_error_quotes_the_last_words(stderr: str, message: str) -> None:
    error = ToolError("borg list failed", rc=2, stderr=stderr, untouched="Nothing was changed", repository="/r")
    assert error.message == message
    assert error.facts == {"rc": 2, "repository": "/r"}

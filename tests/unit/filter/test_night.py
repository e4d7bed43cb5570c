# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import typing as t

import pytest
from ansible.errors import AnsibleFilterError
from ansible_collections.labops.backup.plugins.filter import night
from ansible_collections.labops.backup.plugins.module_utils._errors import BackupError
from ansible_collections.labops.backup.plugins.module_utils._model import _night
from ansible_collections.labops.backup.plugins.plugin_utils import _filters

filters = night.FilterModule().filters()


def test_the_filters_are_the_functions_of_the_model() -> None:
    assert sorted(filters) == [
        *("content_manifests", "expected", "mirror_roots", "outcome", "outcomes", "pin"),
        *("retention_failure", "retention_stop", "run", "verdict"),
    ]
    for name, function in filters.items():
        assert function.__wrapped__ is getattr(_night, name)  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("name", "words", "message"),
    [
        ("run", ([], "x", ["pull"], [], [], "0.1.0"), "backup_run_id 'x' does not look like"),
        ("verdict", ({}, {"id": "x", "sources": []}), "run x has nothing to do on the server ''."),
    ],
)
def test_a_refusal_is_the_filters_own_message(name: str, words: tuple[t.Any, ...], message: str) -> None:
    with pytest.raises(AnsibleFilterError) as caught:
        filters[name](*words)
    assert str(caught.value).startswith(message)
    assert isinstance(caught.value.__cause__, BackupError)


def test_a_filter_passes_on_words_and_names() -> None:
    def joined(first: str, second: str = "b", *, third: str = "c") -> str:
        """Join."""
        return first + second + third

    assert _filters.filters(joined)["joined"]("x", "y", third="z") == "xyz"


def test_a_bug_in_a_filter_stays_a_bug() -> None:
    with pytest.raises(KeyError):
        filters["mirror_roots"]([{"name": "blobs"}], [], "/staging")

# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to labops.backup: no stable interface.
"""How a pure function becomes a filter: its failures reach the operator as the filter's own message."""

from __future__ import annotations

import functools
import typing as t

from ansible.errors import AnsibleFilterError
from ansible_collections.labops.backup.plugins.module_utils._errors import BackupError


def filters(*functions: t.Callable[..., t.Any]) -> dict[str, t.Callable[..., t.Any]]:
    """The functions by their names, each raising ``AnsibleFilterError`` instead of ``BackupError``."""
    return {function.__name__: _filter(function) for function in functions}


def _filter(function: t.Callable[..., t.Any]) -> t.Callable[..., t.Any]:
    @functools.wraps(function)
    def call(*words: t.Any, **keywords: t.Any) -> t.Any:
        try:
            return function(*words, **keywords)
        except BackupError as error:
            raise AnsibleFilterError(error.message) from error

    return call

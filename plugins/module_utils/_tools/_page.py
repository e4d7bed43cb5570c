# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to labops.backup: no stable interface.
"""Jinja2: a page from a template. Whatever a host, a file or a message says is shown and never run."""

from __future__ import annotations

import typing as t

from ansible_collections.labops.backup.plugins.module_utils._errors import BackupError

try:
    import jinja2
except ImportError:  # the modules of this collection are also loaded where the job environment is not
    jinja2 = None  # type: ignore[assignment]


def render(template: str, view: t.Mapping[str, t.Any]) -> str:
    """The template filled with ``view``; every value is escaped unless the template says ``safe``.

    :raises BackupError: when the library is not there, or the template does not fit.
    """
    if jinja2 is None:
        raise BackupError(
            "Jinja2 is not installed in the Python that runs this module",
            untouched="The report was not written",
            remedy="Run site.yml for this host, which builds the job environment",
        )
    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    try:
        return environment.from_string(template).render(view)
    except jinja2.TemplateError as error:
        raise BackupError(
            f"the template of the report does not fit: {error}", untouched="The report was not written"
        ) from error

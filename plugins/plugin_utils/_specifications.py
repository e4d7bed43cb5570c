# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to labops.backup: no stable interface.
"""The argument specifications of this collection's roles, as they lie beside the plugins."""

from __future__ import annotations

import functools
import pathlib

from ansible.module_utils.common.yaml import yaml_load

_ROLES = pathlib.Path(__file__).resolve().parents[2] / "roles"


@functools.cache
def variables() -> frozenset[str]:
    """The names of the variables that an inventory may set.

    What a private role (``_name``) requires is an argument that a playbook gives it, and no variable.
    """
    return frozenset(
        name
        for path in sorted(_ROLES.glob("*/meta/argument_specs.yml"))
        for entry in yaml_load(path.read_bytes())["argument_specs"].values()
        for name, option in entry["options"].items()
        if not (option.get("required") and path.parts[-3].startswith("_"))
    )

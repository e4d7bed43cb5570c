# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to labops.backup: no stable interface.
"""Podman and Docker: whether a container runs, stop it, start it, and what starts it again by itself."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass

from ansible_collections.labops.backup.plugins.module_utils._errors import BackupError
from ansible_collections.labops.backup.plugins.module_utils._tools import _command

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*\Z")
_ENGINES = ("podman", "docker")


@dataclass(frozen=True)
class Container:
    """A container.

    :param engine: podman or docker.
    :param restart: its restart policy, such as ``unless-stopped`` or ``on-failure:3``.
    """

    name: str
    engine: str
    running: bool
    restart: str


def check_name(name: str) -> str:
    """The name, when it can be one of a container."""
    if not _NAME.match(name):
        raise BackupError(
            f"{name!r} is no name of a container", untouched="Nothing was changed", remedy="Correct the name"
        )
    return name


def look(name: str) -> Container | None:
    """A container of the system's Podman or Docker, None when neither has it."""
    for engine in _ENGINES:
        try:
            program = _command.find(engine)
        except BackupError:
            continue
        outcome = _run(program, "container", "inspect", name)
        if outcome.rc == 0:
            facts = json.loads(outcome.stdout)[0]
            policy = facts["HostConfig"].get("RestartPolicy") or {}
            restart = str(policy.get("Name") or "no")
            if restart == "on-failure" and policy.get("MaximumRetryCount"):
                restart += f":{policy['MaximumRetryCount']}"
            state = facts["State"]
            return Container(name, engine, bool(state.get("Running")) or bool(state.get("Restarting")), restart)
        if "no such container" not in outcome.stderr.lower():
            raise outcome.error(f"{engine} could not say what the container {name} is", remedy="See that it works")
    return None


def stop(container: Container, seconds: float) -> None:
    """Stop a container, and keep Docker's daemon from starting it again.

    Docker starts a container of the policy ``always`` when its daemon starts, however it was stopped. Podman starts
    containers after a restart of the host through podman-restart.service only.
    """
    program = _command.find(container.engine)
    if container.engine == "docker":
        _keep(_run(program, "update", "--restart=no", container.name), f"docker could not change {container.name}")
    outcome = _run(program, "stop", f"--time={max(1, int(seconds))}", container.name)
    _keep(outcome, f"the container {container.name} could not be stopped")


def start(container: Container) -> None:
    """Start a container that ran, with the restart policy that it had."""
    program = _command.find(container.engine)
    if container.engine == "docker":
        policy = f"--restart={container.restart}"
        _keep(_run(program, "update", policy, container.name), f"docker could not change {container.name}")
    if container.running:
        _keep(_run(program, "start", container.name), f"the container {container.name} could not be started")


def _keep(outcome: _command.Outcome, what: str) -> None:
    if outcome.rc != 0:
        raise outcome.error(what, remedy="Mend the cause and run again")


def _run(*argv: str) -> _command.Outcome:
    return _command.run(list(argv), env=_command.environment(HOME="/root"))

# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A real container under this machine's Podman stands and comes back; needs the lab's image, which make lab builds."""

from __future__ import annotations

import pathlib
import subprocess
import typing as t
import uuid

import pytest
from ansible_collections.labops.backup.plugins.module_utils._tools import _container

pytestmark = pytest.mark.long
ROOT = pathlib.Path(__file__).resolve().parents[3]


def podman(*words: str) -> str:
    environment = {
        "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
        "CONTAINERS_CONF": str(ROOT / "tests/lab/files/containers.conf"),
    }
    done = subprocess.run(["podman", *words], env=environment, check=True, capture_output=True, text=True)
    return done.stdout.strip()


@pytest.fixture
def name() -> t.Iterator[str]:
    """A container that runs, ends at once when it is asked to, and is restarted when it fails."""
    images = podman("images", "--format", "{{.Repository}}:{{.Tag}}", "--filter", "reference=localhost/labops-lab")
    chosen = f"labops-fence-{uuid.uuid4().hex[:12]}"
    image = images.splitlines()[0]
    podman("run", "--detach", "--name", chosen, "--network=none", "--restart=on-failure:3", image, "sleep", "1000")
    yield chosen
    podman("rm", "--force", "--time=1", chosen)


def test_a_container_stands_and_comes_back_as_it_was(name: str) -> None:
    before = _container.look(name)
    assert before == _container.Container(name, "podman", True, "on-failure:3")
    _container.stop(before, 2)
    stopped = _container.look(name)
    assert stopped == _container.Container(name, "podman", False, "on-failure:3")
    _container.start(before)
    assert _container.look(name) == before

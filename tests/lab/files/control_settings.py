# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Print, as JSON, what a lab host must take over from this control machine.

A lab host reaches the same package registries by the same way: the Debian
archives apt is configured with, apt's network options, pip's index, and the
certificate authorities. Paths of this machine mean nothing inside a container,
so that file:// indexes and local wheel folders are dropped.

usage: control_settings.py SUITE [PIP-COMMAND...]
"""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
from pathlib import Path

PIP_OPTIONS = ("index-url", "extra-index-url", "trusted-host", "proxy", "timeout", "retries")
PIP_LAYERS = ("global", "user", "site", ":env:")
BUNDLES = ("/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/cert.pem")


def output(*command: str) -> list[str]:
    """Return the lines a command prints, or none when it cannot be run."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except OSError:
        return []
    return done.stdout.splitlines() if done.returncode == 0 else []


def archives(suite: str) -> list[dict[str, str]]:
    """Return the Debian archives of apt, moved to the suite of the lab."""
    codename = re.compile(r"^[a-z]+")
    found: dict[tuple[str, str], list[str]] = {}
    form = "$(REPO_URI)|$(RELEASE)|$(COMPONENT)|$(ORIGIN)"
    for line in output("apt-get", "indextargets", "--format", form, "Created-By: Packages"):
        uri, release, component, origin = line.split("|")
        release = codename.sub(suite, release, count=1)
        components = found.setdefault((uri, release), [])
        if origin == "Debian" and uri.startswith(("http://", "https://")) and component not in components:
            components.append(component)
    return [
        {"uri": uri, "suite": release, "components": " ".join(components)}
        for (uri, release), components in found.items()
        if components
    ]


def apt_options() -> list[str]:
    """Return apt's own network options: proxies and the checks of dates."""
    wanted = re.compile(r"^Acquire::(https?::Proxy|Check-Valid-Until|Check-Date|Retries|ForceIPv4)\b")
    return [line for line in output("apt-config", "dump") if wanted.match(line)]


def pip_options(pip: list[str]) -> dict[str, str]:
    """Return pip's settings that still make sense inside a container."""
    layers: dict[str, dict[str, str]] = {layer: {} for layer in PIP_LAYERS}
    for line in output(*pip, "config", "list"):
        name, _, value = line.partition("=")
        layer, _, option = name.rpartition(".")
        if layer in layers:
            layers[layer][option.removeprefix("default-")] = str(ast.literal_eval(value))
    merged: dict[str, str] = {}
    for layer in PIP_LAYERS:
        merged.update(layers[layer])
    kept = {}
    for option in PIP_OPTIONS:
        words = merged.get(option, "").split()
        if option.endswith("index-url"):
            words = [word for word in words if word.startswith(("http://", "https://"))]
        if words:
            kept[option] = " ".join(words)
    return kept


def main() -> None:
    """Print the settings."""
    suite, pip = sys.argv[1], sys.argv[2:] or ["pip3"]
    settings = {
        "apt_archives": archives(suite),
        "apt_options": apt_options(),
        "pip_options": pip_options(pip),
        "ca_bundle": next((path for path in BUNDLES if Path(path).is_file()), ""),
    }
    json.dump(settings, sys.stdout, indent=2, sort_keys=True)


if __name__ == "__main__":
    main()

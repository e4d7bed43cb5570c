# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Make a lab host trust the certificate authorities of the control machine.

Only those that Debian does not ship are added, one file each, so that
update-ca-certificates knows them and an upgrade of ca-certificates keeps them.

usage: trust_bundle.py BUNDLE
"""

from __future__ import annotations

import hashlib
import re
import subprocess
import sys
from pathlib import Path

SHIPPED = Path("/usr/share/ca-certificates")
LOCAL = Path("/usr/local/share/ca-certificates")
CERTIFICATE = re.compile(r"-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----", re.DOTALL)


def certificates(text: str) -> dict[str, str]:
    """Return the certificates of a bundle by the hash of their content."""
    found = {}
    for block in CERTIFICATE.findall(text):
        body = "".join(block.split("\n")[1:-1])
        found[hashlib.sha256(body.encode()).hexdigest()[:16]] = block
    return found


def main() -> None:
    """Bring the local authorities in line with the bundle."""
    shipped: dict[str, str] = {}
    for path in SHIPPED.rglob("*.crt"):
        shipped.update(certificates(path.read_text()))
    wanted = certificates(Path(sys.argv[1]).read_text())
    LOCAL.mkdir(parents=True, exist_ok=True)
    for path in LOCAL.glob("lab-*.crt"):
        path.unlink()
    for name, block in wanted.items():
        if name not in shipped:
            (LOCAL / f"lab-{name}.crt").write_text(block + "\n")
    subprocess.run(["update-ca-certificates", "--fresh"], check=True)


if __name__ == "__main__":
    main()

# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Adds blobs and recordings to a source, as a day in the lab would: grow.py SEED BLOBS RECORDINGS (sent over ssh).

Blobs are named by their MD5 below a schema's folder, as DataJoint 0.x names them. Recordings are int16 with noise.
"""

from __future__ import annotations

import array
import hashlib
import os
import random
import sys

BLOBS, DATA = "/datajoint-db/blobs/bench", "/datajoint-data/bench"


def write(path: str, content: bytes) -> None:
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "wb") as stream:
        stream.write(content)


def main() -> None:
    seed, blobs, recordings = map(int, sys.argv[1:])
    chance = random.Random(seed)
    for _ in range(blobs):
        content = b"ZL123\0" + chance.randbytes(chance.randrange(500, 6000))
        name = hashlib.md5(content, usedforsecurity=False).hexdigest()
        write(f"{BLOBS}/{name[:2]}/{name[2:4]}/{name}", content)
    for number in range(recordings):
        samples = array.array("h", (int(chance.gauss(0, 12)) for _ in range(250_000)))
        write(f"{DATA}/day{seed:04}/recording{number:03}.int16", samples.tobytes())


if __name__ == "__main__":
    main()

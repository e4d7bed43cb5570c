# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Look for secrets in the argument lists and environments of all processes until killed.

Reads the secrets from a file (one a line) so that they are in no argument list itself; appends what it finds to the
second file: python3 watch_secrets.py SECRETS FOUND. The number of samples goes to FOUND.samples.
"""

import glob
import os
import sys
import time

with open(sys.argv[1], "rb") as stream:
    secrets = [line for line in stream.read().split(b"\n") if line]
samples = 0
reported = set()
while True:
    for path in glob.glob("/proc/[0-9]*"):
        if path == f"/proc/{os.getpid()}":
            continue
        for name in ("cmdline", "environ"):
            try:
                with open(f"{path}/{name}", "rb") as stream:
                    content = stream.read()
            except OSError:
                continue
            for number, secret in enumerate(secrets):
                if secret in content and (content, number) not in reported:
                    reported.add((content, number))
                    with open(sys.argv[2], "ab") as found:
                        found.write(b"secret %d in %s of: %s\n" % (number, name.encode(), content[:300]))
    samples += 1
    with open(sys.argv[2] + ".samples", "w") as stream:
        stream.write(str(samples))
    time.sleep(0.02)

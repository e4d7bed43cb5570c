# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Catch what a notification really delivers: one JSON line a POST.

usage: catcher.py PORT FILE
"""

from __future__ import annotations

import json
import os
import sys
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Catcher(BaseHTTPRequestHandler):
    """Append every request with a body to the file."""

    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        """Keep one delivery."""
        raw = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        text = raw.decode("utf-8", "backslashreplace")
        try:
            body = json.loads(text)
        except ValueError:
            body = text
        line = {
            "time": datetime.now(UTC).isoformat(timespec="milliseconds"),
            "method": self.command,
            "path": self.path,
            "content_type": self.headers.get("Content-Type"),
            "body": body,
        }
        # One write of a whole line: parallel deliveries never mix.
        file = os.open(sys.argv[2], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        try:
            os.write(file, json.dumps(line, ensure_ascii=False, sort_keys=True).encode() + b"\n")
        finally:
            os.close(file)
        self.answer()

    def do_GET(self) -> None:
        """Answer a ping, which a dead-man's switch sends without a body."""
        self.do_POST()

    def do_HEAD(self) -> None:
        """Answer the shortest ping."""
        self.do_POST()

    def answer(self) -> None:
        """Say yes to everything."""
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()


if __name__ == "__main__":
    ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Catcher).serve_forever()

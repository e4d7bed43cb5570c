# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Catch what a notification really delivers: one JSON line a request or a mail.

usage: catcher.py HTTP_PORT SMTP_PORT FOLDER

Requests go to FOLDER/lab-catcher.jsonl, those of a dead-man's switch (their path begins with /ping) to
FOLDER/lab-pings.jsonl, mails to FOLDER/lab-mail.jsonl.
"""

from __future__ import annotations

import email
import email.policy
import json
import os
import socketserver
import sys
import threading
import typing as t
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


def keep(name: str, entry: dict[str, t.Any]) -> None:
    """Append one line. One write of a whole line: parallel deliveries never mix."""
    line = {"time": datetime.now(UTC).isoformat(timespec="milliseconds"), **entry}
    file = os.open(f"{sys.argv[3]}/{name}.jsonl", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    try:
        os.write(file, json.dumps(line, ensure_ascii=False, sort_keys=True).encode() + b"\n")
    finally:
        os.close(file)


class Catcher(BaseHTTPRequestHandler):
    """Keep every request with its body."""

    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        """Keep one delivery and say yes."""
        raw = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        text = raw.decode("utf-8", "backslashreplace")
        try:
            body = json.loads(text)
        except ValueError:
            body = text
        entry = {"method": self.command, "path": self.path, "body": body}
        entry["content_type"] = self.headers.get("Content-Type")
        keep("lab-pings" if self.path.startswith("/ping") else "lab-catcher", entry)
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def do_GET(self) -> None:
        """Answer a ping, which a dead-man's switch may send without a body."""
        self.do_POST()

    def do_HEAD(self) -> None:
        """Answer the shortest ping."""
        self.do_POST()


class Mailbox(socketserver.StreamRequestHandler):
    """Take every mail: the part of SMTP (RFC 5321) that a client needs to hand one over."""

    def handle(self) -> None:
        """One session."""
        self.say("220 lab")
        sender, recipients = "", []
        for raw in self.rfile:
            line = raw.decode("utf-8", "backslashreplace").strip()
            verb = line[:4].upper()
            if verb == "QUIT":
                self.say("221 bye")
                return
            if verb == "DATA":
                self.say("354 go on")
                self.take(sender, recipients)
                sender, recipients = "", []
            elif verb == "MAIL":
                sender = line.partition(":")[2]
            elif verb == "RCPT":
                recipients.append(line.partition(":")[2])
            self.say("250 yes")

    def take(self, sender: str, recipients: list[str]) -> None:
        """One mail, up to the line with a dot alone."""
        lines = []
        for raw in self.rfile:
            if raw.rstrip(b"\r\n") == b".":
                break
            lines.append(raw[1:] if raw.startswith(b".") else raw)
        whole = b"".join(lines)
        mail = email.message_from_bytes(whole, policy=email.policy.default)
        parts = [part for part in mail.walk() if part.get_content_maintype() == "text"]
        keep(
            "lab-mail",
            {
                "from": sender,
                "to": recipients,
                "subject": str(mail["Subject"]),
                "headers": sorted(mail.keys()),
                "bodies": {part.get_content_type(): part.get_content() for part in parts},
            },
        )

    def say(self, answer: str) -> None:
        """One line to the client."""
        self.wfile.write(answer.encode() + b"\r\n")


if __name__ == "__main__":
    socketserver.ThreadingTCPServer.allow_reuse_address = True
    post = socketserver.ThreadingTCPServer(("127.0.0.1", int(sys.argv[2])), Mailbox)
    threading.Thread(target=post.serve_forever, daemon=True).start()
    ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Catcher).serve_forever()

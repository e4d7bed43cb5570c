# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Connections to a real port of this machine."""

from __future__ import annotations

import socket
import threading
import typing as t

import pytest
from ansible_collections.labops.backup.plugins.module_utils._tools import _connection


@pytest.fixture
def listening() -> t.Iterator[tuple[int, list[bytes]]]:
    """A port that takes connections, and what was said over them."""
    heard: list[bytes] = []
    server = socket.create_server(("127.0.0.1", 0))

    def answer() -> None:
        while True:
            try:
                connection, _address = server.accept()
            except OSError:
                return
            with connection:
                heard.append(connection.recv(100))

    thread = threading.Thread(target=answer, daemon=True)
    thread.start()
    yield server.getsockname()[1], heard
    server.shutdown(socket.SHUT_RDWR)
    server.close()
    thread.join(5)


def refused(port: int, host: str = "127.0.0.1", tls: bool = False) -> str:
    return _connection.refused(host, port, tls=tls, verify=True, seconds=2, tries=1)


def test_who_answers_is_told_nothing(listening: tuple[int, list[bytes]]) -> None:
    port, heard = listening
    assert refused(port) == ""
    for _attempt in range(100):
        if heard:
            break
        threading.Event().wait(0.02)
    assert heard == [b""]


def test_who_does_not_answer_is_told_apart_and_not_named(listening: tuple[int, list[bytes]]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    assert refused(port) == "the connection is refused"
    assert refused(listening[0], tls=True) in (
        "it does not speak TLS there",
        "no connection (Connection reset by peer)",
    )
    assert refused(1, host="no-such-host.invalid") == "its host's name leads to no address"
    assert refused(1, host="a" * 80 + ".test") == "its host's name cannot be one"


def test_what_fails_for_a_moment_is_no_finding(monkeypatch: pytest.MonkeyPatch) -> None:
    answers = ["the connection is refused", ""]
    monkeypatch.setattr(_connection, "_AGAIN_SECONDS", 0.0)
    monkeypatch.setattr(_connection, "_try", lambda *_words: answers.pop(0))
    assert _connection.refused("x", 1, tls=False, verify=True, seconds=1) == ""
    assert answers == []

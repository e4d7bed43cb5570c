# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where URLs lead, by the Apprise that the job environment has; what may be a secret is never taken for a host."""

from __future__ import annotations

import pathlib

import apprise
import pytest
from ansible_collections.labops.backup.plugins.module_utils._errors import BackupError
from ansible_collections.labops.backup.plugins.module_utils._tools import _apprise
from apprise.manager_plugins import NotificationManager

Place = _apprise.Place


def place(url: str) -> Place | None:
    server = apprise.Apprise.instantiate(url)
    assert server is not None, "the test's own URL is malformed"
    return _apprise.place(server)


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("json://lab.test:8025/failure", Place("lab.test", 8025)),
        ("jsons://lab.test/x", Place("lab.test", 443, tls=True)),
        ("jsons://lab.test/x?verify=no", Place("lab.test", 443, tls=True, verify=False)),
        ("xml://[::1]:88/", Place("::1", 88)),
        ("mailto://people:secret@lab.test", Place("lab.test", 25)),
        ("mailtos://people:secret@lab.test", Place("lab.test", 587)),
        ("mailto://127.0.0.1:8026?from=backup@lab.test&to=people@lab.test", Place("127.0.0.1", 8026)),
        ("mailtos://people:secret@lab.test?mode=ssl", Place("lab.test", 465, tls=True)),
        ("mailto://people:secret@gmail.com", Place("smtp.gmail.com", 587)),
        ("gotifys://lab.test/secret", Place("lab.test", 443, tls=True)),
        ("ntfys://lab.test/secret", Place("lab.test", 443, tls=True)),
        ("ntfy://secret-topic", Place("ntfy.sh", 443, tls=True)),
        ("tgram://123456789:abcdefg_hijklmnop/12315544/", Place("api.telegram.org", 443, tls=True)),
        ("discord://4174216298/JHMHI8qBe7bk2ZwO5U711o3dV_js", Place("discord.com", 443, tls=True)),
        ("slack://T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ/", Place("hooks.slack.com", 443, tls=True)),
        # A template of the service's, UDP, no network at all, a token where others have the host.
        ("schan://token123456789", Place("sctapi.ftqq.com", 443, tls=True)),
        ("rsyslog://lab.test", None),
        ("syslog://", None),
        (f"matrixs://{'a' * 64}?mode=t2bot", None),
        ("zulip://bot@org/" + "token" * 6 + "to/", None),
        ("mailgun://people@lab.test/" + "a" * 32 + "-" + "b" * 8 + "-" + "c" * 8, None),
    ],
)
def test_where_a_url_leads(url: str, expected: Place | None) -> None:
    assert place(url) == expected


def test_the_services_that_are_known_by_name_exist() -> None:
    manager = NotificationManager()
    manager.load_modules()
    names = {plugin.__name__ for plugin in manager.plugins()}
    assert names > _apprise._OWN | {"NotifyNtfy"}


def test_a_list_is_read_by_tag_and_what_is_malformed_is_left_out_and_shown_nowhere(
    tmp_path: pathlib.Path, capfd: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "notify me.yml"
    entries = {"json://lab.test/x": "failure-1", "nosuch://secret@lab.test": "failure-2", "ntfy://secret": "warning-1"}
    lines = [f"- {url}:\n  - tag: [{tag.split('-')[0]}, {tag}]\n" for url, tag in entries.items()]
    path.write_text("version: 1\nurls:\n" + "".join(lines))
    found = _apprise.places(str(path))
    assert found["failure-1"] == Place("lab.test", 80) and found["warning-1"] == Place("ntfy.sh", 443, tls=True)
    assert "failure-2" not in found
    shown = capfd.readouterr()
    assert "secret" not in shown.out + shown.err


def test_without_the_library_it_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_apprise, "apprise", None)
    with pytest.raises(BackupError, match=r"Apprise is not installed .* Run site.yml for this host"):
        _apprise.places("/nowhere")

# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to labops.backup: no stable interface.
"""Whether a host could speak to people: what ``tell`` says about its channels, and who can be reached through them."""

from __future__ import annotations

import concurrent.futures
import os
import typing as t
import urllib.parse

from ansible_collections.labops.backup.plugins.module_utils._host import _document
from ansible_collections.labops.backup.plugins.module_utils._model import _channels
from ansible_collections.labops.backup.plugins.module_utils._tools import _apprise, _connection, _tell

_SECONDS = 10.0
_AT_ONCE = 16
_SERVICES = {"http": 80, "https": 443}


def look(program: str, configuration: str, *, reach: bool) -> dict[str, t.Any]:
    """What is known of the channels, and the ``problems`` with them. Sends nothing.

    :param program: ``tell``.
    :param configuration: the folder of its lists.
    :param reach: connect to where the URLs lead; each channel then has ``reached``, true, false, or none where only a
        message could tell, and ``why`` not; ``ping_problem`` is the same about the dead-man's switch.
    """
    found = _tell.check(program)
    if reach:
        _reach(found, configuration)
    return {**found, "problems": _channels.problems(found)}


def _reach(found: dict[str, t.Any], configuration: str) -> None:
    places = _apprise.places(os.path.join(configuration, "notify.yml"))
    switch = _switch(configuration) if found["ping"] else None
    wanted = {places.get(channel["tag"]) for channel in found["channels"]} | {switch}
    asked = sorted((place for place in wanted if place is not None), key=repr)
    with concurrent.futures.ThreadPoolExecutor(_AT_ONCE) as pool:
        answers = dict(zip(asked, pool.map(_why, asked), strict=True))
    for channel in found["channels"]:
        place = places.get(channel["tag"])
        why = "" if place is None else answers[place]
        channel.update(reached=None if place is None else not why, why=why)
    found["ping_problem"] = answers[switch] if switch else ""


def _why(place: _apprise.Place) -> str:
    return _connection.refused(place.host, place.port, tls=place.tls, verify=place.verify, seconds=_SECONDS)


def _switch(configuration: str) -> _apprise.Place | None:
    url = str(_document.read(os.path.join(configuration, "tell.json")).get("ping_url"))
    try:
        parts = urllib.parse.urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        return None
    if parts.scheme not in _SERVICES or not host:
        return None
    return _apprise.Place(host, port or _SERVICES[parts.scheme], tls=parts.scheme == "https")

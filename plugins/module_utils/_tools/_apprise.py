# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to labops.backup: no stable interface.
"""Apprise: where the URLs of a list lead, without sending anything.

In a URL the place of the host is a token, a topic or a phone number for most services. To look such a name up would
give the secret away, so a host counts only where it is one by what Apprise says about the service.
"""

from __future__ import annotations

import logging
import typing as t
import urllib.parse
from dataclasses import dataclass

from ansible_collections.labops.backup.plugins.module_utils._errors import BackupError

try:
    import apprise
except ImportError:  # the modules of this collection are also loaded where the job environment is not
    apprise = None  # type: ignore[assignment]

# Services that a lab runs itself, spoken to over HTTP at the host and port of the URL.
_OWN = frozenset(
    {
        *("NotifyAppriseAPI", "NotifyBark", "NotifyForm", "NotifyGotify", "NotifyHomeAssistant", "NotifyJSON"),
        *("NotifyMastodon", "NotifyMattermost", "NotifyMisskey", "NotifyNextcloud", "NotifyNextcloudTalk"),
        *("NotifyPushjet", "NotifyRocketChat", "NotifySignalAPI", "NotifySynology", "NotifyWorkflows", "NotifyXML"),
    }
)
# Where a service has one address for all, its plugin has it under one of these names.
_FIXED = ("notify_url", "webhook_url")
_HTTP, _HTTPS = 80, 443


@dataclass(frozen=True)
class Place:
    """Where a message goes first.

    :param port: of TCP.
    :param tls: whether TLS begins with the connection.
    :param verify: whether the certificate has to be good.
    """

    host: str
    port: int
    tls: bool = False
    verify: bool = True


def places(path: str) -> dict[str, Place | None]:
    """Where the URLs of a list lead, by each of their tags; None where only the service itself could tell.

    A URL that Apprise does not understand is not in it.

    :param path: the list, Apprise's YAML.
    :raises BackupError: when the library is not there.
    """
    if apprise is None:
        raise BackupError(
            "Apprise is not installed in the Python that runs this module",
            untouched="Nothing was changed",
            remedy="Run site.yml for this host, which builds the job environment",
        )
    log = logging.getLogger("apprise")
    before, log.disabled = log.disabled, True  # it would write a URL that it does not understand
    try:
        lists = apprise.AppriseConfig(paths=f"file://{urllib.parse.quote(path)}?format=yaml")
        return {str(tag): place(server) for one in lists for server in one for tag in server.tags}
    finally:
        log.disabled = before


def place(server: t.Any) -> Place | None:
    """Where one of Apprise's services sends to; None where its URL does not safely say that."""
    verify = bool(server.verify_certificate)
    mail = getattr(server, "smtp_host", "")
    if mail:
        return Place(str(mail), int(server.port), tls=server.secure_mode == "ssl", verify=verify)
    name = type(server).__name__
    if name in _OWN or (name == "NotifyNtfy" and server.mode == "private"):
        host, secure = str(server.host).strip("[]"), bool(server.secure)
        return Place(host, int(server.port or (_HTTPS if secure else _HTTP)), tls=secure, verify=verify)
    if name == "NotifyNtfy":
        return _fixed(server.cloud_notify_url, verify=verify)
    if any("{host}" in template for template in server.templates):
        return None  # its own or somebody else's, by what stands in the URL
    urls = (getattr(server, attribute, None) for attribute in _FIXED)
    return next((found for found in (_fixed(url, verify=verify) for url in urls) if found), None)


def _fixed(url: t.Any, *, verify: bool) -> Place | None:
    parts = urllib.parse.urlsplit(url if isinstance(url, str) else "")
    if parts.scheme not in ("http", "https") or not parts.hostname or "{" in parts.netloc:
        return None
    tls = parts.scheme == "https"
    return Place(parts.hostname, parts.port or (_HTTPS if tls else _HTTP), tls=tls, verify=verify)

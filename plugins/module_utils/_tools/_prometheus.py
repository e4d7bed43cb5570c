# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to labops.backup: no stable interface.
"""prometheus_client: metrics as the text that the node exporter's textfile collector reads."""

from __future__ import annotations

import typing as t

from ansible_collections.labops.backup.plugins.module_utils._errors import BackupError

try:
    import prometheus_client
except ImportError:  # the modules of this collection are also loaded where the job environment is not
    prometheus_client = None  # type: ignore[assignment]


def exposition(
    families: t.Iterable[tuple[str, str, t.Sequence[str]]],
    samples: t.Iterable[tuple[str, t.Sequence[str], float]],
) -> bytes:
    """The metrics as text; a family without a sample is left out.

    :param families: name, help and labels of each.
    :param samples: name, values of the labels, value.
    :raises BackupError: when the library is not there.
    """
    if prometheus_client is None:
        raise BackupError(
            "prometheus_client is not installed in the Python that runs this module",
            untouched="The metrics were not written",
            remedy="Run site.yml for this host, which builds the job environment",
        )
    registry = prometheus_client.CollectorRegistry()
    known = {name: (text, labels) for name, text, labels in families}
    gauges: dict[str, t.Any] = {}
    for name, values, value in samples:
        if name not in gauges:
            text, labels = known[name]
            gauges[name] = prometheus_client.Gauge(name, text, labels, registry=registry)
        gauge = gauges[name].labels(*values) if values else gauges[name]
        gauge.set(value)
    return bytes(prometheus_client.generate_latest(registry))

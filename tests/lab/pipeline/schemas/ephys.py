# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Electrophysiology: raw files by path, spikes as blobs in a store."""

import datajoint as dj
import numpy as np

from ..settings import PREFIX
from . import session  # noqa: F401 (named in definitions)

schema = dj.Schema(PREFIX + "ephys")

SAMPLES = 1 << 19  # of a raw file that analysis looks at; the size of the file does not matter to it


@schema
class Probe(dj.Manual):
    definition = """
    probe       : varchar(16)
    ---
    probe_uuid  : uuid
    """


@schema
class Calibration(dj.Manual):
    definition = """
    -> Probe
    calibrated  : date
    ---
    curve       : blob@ephys
    """


@schema
class SortingParameters(dj.Lookup):
    definition = """
    sorting     : tinyint
    ---
    method      : varchar(32)
    parameters  : longblob
    """
    contents = ((1, "threshold", {"sigma": 4.0, "window": np.arange(-8, 8)}),)


@schema
class Recording(dj.Manual):
    definition = """
    -> session.Session
    ---
    -> Probe
    raw_file       : filepath@raw
    sampling_rate  : float    # Hz
    depth          : smallint # um below the surface is negative
    """


@schema
class Sorting(dj.Computed):
    definition = """
    -> Recording
    -> SortingParameters
    ---
    threshold  : double
    n_units    : smallint unsigned
    """

    class Unit(dj.Part):
        definition = """
        -> master
        unit             : smallint unsigned
        ---
        spike_times      : blob@ephys
        waveform         : longblob
        quality = null   : decimal(4,3)
        unit_label       : enum('good', 'mua', 'noise')
        """

    def make(self, key):
        raw = np.fromfile((Recording & key).fetch1("raw_file"), dtype="<i2", count=SAMPLES)
        unit_count = 2 + int(raw[0]) % 3
        threshold = 4 * float(raw.std())
        self.insert1(dict(key, threshold=threshold, n_units=unit_count))
        for unit in range(unit_count):
            spikes = np.flatnonzero(raw[unit::unit_count] > np.percentile(raw, 98)) / 30000.0
            self.Unit.insert1(
                dict(
                    key,
                    unit=unit,
                    spike_times=spikes,
                    waveform=raw[unit : unit + 32].astype("float32"),
                    quality=None if unit == 1 else round(len(spikes) % 1000 / 1000, 3),
                    unit_label=("good", "mua", "noise")[unit % 3],
                )
            )

# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Imaging: an imported scan, what is computed from it, and a table across modalities."""

import tempfile
from pathlib import Path

import datajoint as dj
import numpy as np

from ..settings import PREFIX
from . import ephys

schema = dj.Schema(PREFIX + "imaging")


@schema
class Scan(dj.Imported):
    definition = """
    -> ephys.Recording
    ---
    shape         : longblob
    preview       : blob@imaging
    """

    class Field(dj.Part):
        definition = """
        -> master
        field        : tinyint unsigned
        ---
        field_depth  : decimal(7,3)
        """

    def make(self, key):
        raw = np.fromfile((ephys.Recording & key).fetch1("raw_file"), dtype="<i2", count=ephys.SAMPLES)
        side = int(len(raw) ** 0.5)
        movie = raw[: side * side].reshape(side, side)
        self.insert1(dict(key, shape=np.array(movie.shape), preview=movie[::4, ::4]))
        self.Field.insert(dict(key, field=n, field_depth=-100.125 * (n + 1)) for n in range(2))


@schema
class MotionCorrection(dj.Computed):
    definition = """
    -> Scan
    ---
    shift = null    : decimal(8,4)
    average         : blob@imaging
    report          : attach@notes
    """

    def make(self, key):
        preview = (Scan & key).fetch1("preview")
        if (ephys.Recording & key).fetch1("depth") > 0:
            raise ValueError('Probe above the brain – "Tiefe" > 0 µm; can\'t correct 💥')
        with tempfile.TemporaryDirectory() as folder:
            report = Path(folder) / f"Bericht {key['subject']} – session {key['session']}.tar.gz"
            report.write_bytes(b"\x1f\x8b not really compressed\n" + preview.tobytes()[:512])
            self.insert1(dict(key, shift=None if key["session"] % 3 else -0.0625, average=preview / 2, report=report))


@schema
class Segmentation(dj.Computed):
    definition = """
    -> MotionCorrection
    ---
    n_masks  : smallint unsigned
    """

    class Mask(dj.Part):
        definition = """
        -> master
        mask          : smallint unsigned
        ---
        pixels        : blob@imaging
        weights=null  : longblob
        """

    def make(self, key):
        average = (MotionCorrection & key).fetch1("average")
        self.insert1(dict(key, n_masks=2))
        for mask in range(2):
            pixels = np.flatnonzero(average > np.percentile(average, 90 + mask))
            self.Mask.insert1(dict(key, mask=mask, pixels=pixels, weights=average.ravel()[:8] if mask else None))


@schema
class Comparison(dj.Computed):
    definition = """
    -> ephys.Sorting
    -> Segmentation
    ---
    correlation = null  : double
    """

    def make(self, key):
        units, masks = (ephys.Sorting & key).fetch1("n_units"), (Segmentation & key).fetch1("n_masks")
        self.insert1(dict(key, correlation=None if units == masks else -masks / units))

# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to labops.backup: no stable interface.
"""pygal: a plot as a drawing that stands in a page, without a script and without a style of its own.

pygal draws shapes and gives them classes; the page's style sheet says how they look, in light, in dark and on paper.
"""

from __future__ import annotations

import math
import typing as t
from xml.etree import ElementTree

from ansible_collections.labops.backup.plugins.module_utils._errors import BackupError

try:
    import pygal
except ImportError:  # the modules of this collection are also loaded where the job environment is not
    pygal = None

_WIDTH, _HEIGHT = 560, 230
# pygal leaves as much room for labels as text of this size takes; the style sheet uses the same.
_FONT_SIZE = 14
# Left out of a plot: what the page says better (title, legend), and what only a script would use.
_DROPPED = ("script", "style", "title", "desc")
_SHOWN_LABELS = 6


def svg(plot: t.Mapping[str, t.Any]) -> str:
    """The plot as one SVG element.

    :param plot: ``kind`` (``bars``, stacked, or ``lines``), ``name`` (what a screen reader says), ``labels`` of the
        x axis, ``series`` with ``name`` and ``values`` (numbers or None), ``ticks`` of the y axis as value and text.
    :raises BackupError: when the library is not there.
    """
    if pygal is None:
        raise BackupError(
            "pygal is not installed in the Python that runs this module",
            untouched="The report was not written",
            remedy="Run site.yml for this host, which builds the job environment",
        )
    chart = (pygal.StackedBar if plot["kind"] == "bars" else pygal.Line)(
        style=pygal.style.Style(label_font_size=_FONT_SIZE, major_label_font_size=_FONT_SIZE),
        width=_WIDTH,
        height=_HEIGHT,
        js=(),
        explicit_size=False,
        show_legend=False,
        show_dots=False,
        margin=6,
        spacing=6,
        range=(0, plot["ticks"][-1][0]),
        include_x_axis=True,
        truncate_label=-1,
        stroke_style={"width": 2},
        print_values=False,
        no_data_text="",
    )
    # pygal tells labels apart by their text, and several may have the same.
    every = math.ceil(len(plot["labels"]) / _SHOWN_LABELS)
    chart.x_labels = ["" if number % every else label for number, label in enumerate(plot["labels"])]
    chart.y_labels = [{"value": value, "label": text} for value, text in plot["ticks"]]
    for series in plot["series"]:
        chart.add(series["name"], series["values"], allow_interruptions=True)
    drawing = chart.render_tree()
    _strip(drawing)
    view_box = drawing.get("viewBox")
    drawing.attrib.clear()
    drawing.set("viewBox", view_box)
    drawing.set("role", "img")
    drawing.set("aria-label", plot["name"])
    return ElementTree.tostring(drawing, encoding="unicode")


def _strip(element: ElementTree.Element) -> None:
    for child in list(element):
        if not isinstance(child.tag, str) or child.tag in _DROPPED:  # a comment's tag is no text
            element.remove(child)
        else:
            child.attrib.pop("style", None)
            _strip(child)

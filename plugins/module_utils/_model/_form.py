# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to labops.backup: no stable interface.
"""Whether a document that another host wrote, or that was half written, has the form that its reader relies on.

A form is a type; a :class:`Text`; None; a tuple of forms, any of which will do; a list with the form of its items; or
a mapping: of names to forms, where a name that ends in ``?`` may be absent and other names are welcome, or of ``str``
to the form of every value.
"""

from __future__ import annotations

import json
import math
import re
import typing as t

Form = t.Any

_SHOWN = 60
_CALLED: dict[t.Any, str] = {
    str: "text",
    int: "a whole number",
    float: "a number",
    bool: "true or false",
    dict: "a mapping",
    list: "a list",
    None: "null",
}


class Text(t.NamedTuple):
    """Text that a pattern matches as a whole."""

    pattern: re.Pattern[str]
    called: str


SHA256 = Text(re.compile(r"[0-9a-f]{64}"), "a SHA-256")
DIGITS = Text(re.compile(r"\d{1,20}", re.ASCII), "digits")
UTC_TIME = Text(re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", re.ASCII), "a UTC time")


def wrong(value: object, form: Form, place: str = "") -> str:
    """The first place where ``value`` has another form, what stands there and what should; empty when it fits.

    :param place: what the value is called.
    """
    if isinstance(form, tuple) and not isinstance(form, Text):
        if any(not wrong(value, one) for one in form):
            return ""
        alike = next((one for one in form if isinstance(one, (list, dict)) and isinstance(value, type(one))), None)
        return _said(value, form, place) if alike is None else wrong(value, alike, place)
    if isinstance(form, list):
        if not isinstance(value, list):
            return _said(value, list, place)
        return next((found for n, item in enumerate(value) if (found := wrong(item, form[0], f"{place}[{n}]"))), "")
    if isinstance(form, dict):
        return _wrong_mapping(value, form, place)
    return "" if _fits(value, form) else _said(value, form, place)


def _wrong_mapping(value: object, form: t.Mapping[t.Any, Form], place: str) -> str:
    if not isinstance(value, dict):
        return _said(value, dict, place)
    within = f"{place}." if place else ""
    if str in form:
        return next((found for name in value if (found := wrong(value[name], form[str], f"{within}{name}"))), "")
    for name, inner in form.items():
        key = name.removesuffix("?")
        if key not in value:
            if name == key:
                return f"{within}{key} is missing"
        elif found := wrong(value[key], inner, f"{within}{key}"):
            return found
    return ""


def _fits(value: object, form: Form) -> bool:
    if form is None:
        return value is None
    if isinstance(form, Text):
        return isinstance(value, str) and form.pattern.fullmatch(value) is not None
    if form is float:
        return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
    return isinstance(value, form) and not (form is int and isinstance(value, bool))


def _said(value: object, form: Form, place: str) -> str:
    shown = json.dumps(value, default=str)
    shown = shown if len(shown) <= _SHOWN else shown[:_SHOWN] + "..."
    return f"{place or 'it'} is {shown}, not {_called(form)}"


def _called(form: Form) -> str:
    if isinstance(form, Text):
        return form.called
    if isinstance(form, tuple):
        return " or ".join(_called(one) for one in form)
    if isinstance(form, (list, dict)):
        return _CALLED[type(form)]
    return _CALLED[form]

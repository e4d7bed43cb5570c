# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the tests of restores share."""

import pytest

pytest.register_assert_rewrite("restores")
from restores import *  # noqa: E402, F403 - fixtures

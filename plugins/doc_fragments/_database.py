# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to labops.backup: no stable interface.
"""How modules reach the local database server."""

from __future__ import annotations


class ModuleDocFragment:
    """Options of every module that logs in to a database server."""

    DOCUMENTATION = r"""
options:
  defaults_file:
    description:
      - Options file of the client, C(0600), with C(user), C(password) and, where needed, C(socket) or C(host) in its
        section C([client]). No other options file is read.
      - Without it the module logs in as the system user that it runs as, over the local socket.
    type: path
  socket:
    description: Socket of the server. Without it the options file or the client's own default says where it is.
    type: path
"""

# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to labops.backup: no stable interface.
"""Whether somebody answers at a host and port: a connection that is closed again, over which nothing is said."""

from __future__ import annotations

import socket
import ssl
import time

_AGAIN_SECONDS = 1.0


def refused(host: str, port: int, *, tls: bool, verify: bool, seconds: float, tries: int = 2) -> str:
    """Why nobody can be reached there, in words that name neither host nor port; empty when somebody answers.

    :param tls: TLS begins with the connection, and has to come about.
    :param verify: the certificate has to be good for this host.
    :param seconds: each try, looking the name up not counted.
    :param tries: one that fails for a moment is no finding.
    """
    why = ""
    for number in range(tries):
        if number:
            time.sleep(_AGAIN_SECONDS)
        why = _try(host, port, tls, verify, seconds)
        if not why:
            break
    return why


def _try(host: str, port: int, tls: bool, verify: bool, seconds: float) -> str:
    try:
        with socket.create_connection((host, port), timeout=seconds) as connection:
            if tls:
                context = ssl.create_default_context()
                if not verify:
                    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
                context.wrap_socket(connection, server_hostname=host).close()
    except socket.gaierror:
        return "its host's name leads to no address"
    except UnicodeError:
        return "its host's name cannot be one"
    except ssl.SSLCertVerificationError as error:
        return f"its certificate is not accepted ({error.verify_message.split(',')[0]})"
    except ssl.SSLError:
        return "it does not speak TLS there"
    except TimeoutError:
        return f"no answer within {seconds:g} s"
    except ConnectionRefusedError:
        return "the connection is refused"
    except OSError as error:
        return f"no connection ({error.strerror or type(error).__name__})"
    return ""

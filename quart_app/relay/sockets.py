"""Small frames on TCP: acknowledged at once, and sent together where they are sent in one go."""

from __future__ import annotations

import asyncio
import socket
from typing import Any

QUICKACK: int | None = getattr(socket, "TCP_QUICKACK", None)
CORK: int | None = getattr(socket, "TCP_CORK", None)
"""Both exist on Linux."""


class Wire:
    """The socket of a connection, if it has one that can be reached."""

    def __init__(self, connection: Any | None) -> None:
        is_tcp = connection is not None and connection.family in (socket.AF_INET, socket.AF_INET6)
        self._socket = connection if is_tcp else None
        self._is_corked = False

    def acknowledge(self) -> None:
        """Acknowledge what has come: to be called after each read.

        A stock Bokeh server sends a message in three small writes, and waits for the ACK of each.
        """
        if QUICKACK is not None:
            self._set(QUICKACK, 1)

    def cork(self) -> None:
        """Hold back what is sent from now on until this turn of the event loop is over.

        A message of Bokeh is three frames or more, and each one sent alone wakes the other side up.
        """
        if CORK is not None and not self._is_corked and self._socket is not None:
            self._is_corked = True
            self._set(CORK, 1)
            asyncio.get_running_loop().call_soon(self._uncork)

    def _uncork(self) -> None:
        self._is_corked = False
        if CORK is not None:
            self._set(CORK, 0)

    def _set(self, option: int, value: int) -> None:
        if self._socket is not None:
            try:
                self._socket.setsockopt(socket.IPPROTO_TCP, option, value)
            except OSError:  # closed
                self._socket = None

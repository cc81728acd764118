"""Gunicorn's worker with threads, which no longer spends them on whoever does not get on (B7).

Gunicorn gives a connection a thread with its first byte, and waits in it for the rest without end:
32 half-sent requests stopped two processes of 16 threads. Here a connection waits in the poller,
which costs no thread, until its request has arrived, head and form, and is closed where that takes
too long. Reading and sending are given up when nothing moves. Named in gunicorn.conf.py.
"""

from __future__ import annotations

import re
import selectors
import socket
import struct
import time
from collections import deque
from functools import partial
from typing import Any

from gunicorn.workers.gthread import ThreadWorker

REQUEST_WITHIN = 15  # seconds
RECEIVE_TIMEOUT = 15  # seconds without a byte of a body
SEND_TIMEOUT = 60  # seconds in which a reader takes nothing; a whole file may take hours
SEND_BUFFER = 256 * 1024
"""A page fits into it and holds no thread; of a file it is what has left when a right is lost."""
MOST_SEEN = 64 * 1024
"""Of a request, while it waits in the kernel; what is longer is read in a thread."""
END_OF_HEAD = b"\r\n\r\n"
EXPECTS = re.compile(rb"\r\nexpect:", re.IGNORECASE)
LENGTH = re.compile(rb"\r\ncontent-length:[ \t]*(\d{1,9})[ \t]*\r\n", re.IGNORECASE)


class PatientWorker(ThreadWorker):
    """Hands a connection to a thread when its request can be answered, and not before.

    A connection (`TConn`) is Any here, since it gets two notes of ours: how many bytes have
    `arrived`, and when to `give_up_at`.
    """

    def enqueue_req(self, conn: Any) -> None:
        """Give the connection a thread, or let it wait in the poller for the rest of its request.

        Gunicorn calls it with new connections, and with waiting ones that something came from.
        """
        if not hasattr(conn, "arrived"):
            _limit(conn.sock)
            conn.arrived = 0
            conn.give_up_at = None
        if self._is_ready(conn):
            # Also for the next request of a connection that is kept open.
            conn.arrived, conn.give_up_at = 0, None
            conn.data_ready = True
            super().enqueue_req(conn)  # type: ignore[no-untyped-call]  # gunicorn has no types
            return
        conn.give_up_at = conn.give_up_at or time.monotonic() + REQUEST_WITHIN
        conn.timeout = conn.give_up_at
        conn.sock.setblocking(False)
        self.pending_conns.append(conn)
        assert self.poller is not None
        wake = partial(self.on_pending_socket_readable, conn)
        self.poller.register(conn.sock, selectors.EVENT_READ, wake)

    def _is_ready(self, conn: Any) -> bool:
        """Tell whether the request is there, or waiting for more of it would be in vain."""
        if self.cfg.is_ssl:
            return True  # nothing to be seen from outside
        if conn.parser is not None and conn.parser.unreader.buf.getvalue():
            return True  # some of it was read already, with the request before
        try:
            head = conn.sock.recv(MOST_SEEN, socket.MSG_PEEK | socket.MSG_DONTWAIT)
        except BlockingIOError:
            return False
        except OSError:
            return True  # broken, which a thread finds out
        # Woken, and no longer than before: the other side has ended.
        is_over = len(head) == conn.arrived
        is_ready = is_over or len(head) >= _needed(head)
        conn.arrived = len(head)
        # The kernel wakes us when there is more than we have seen.
        enough = 1 if is_ready else len(head) + 1
        conn.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT, enough)
        return is_ready

    def murder_pending(self) -> None:
        """Close what waited too long; gunicorn takes for granted that the first came first."""
        self.pending_conns = deque(sorted(self.pending_conns, key=lambda conn: conn.timeout))
        super().murder_pending()  # type: ignore[no-untyped-call]  # gunicorn has no types

    def handle(self, conn: Any) -> Any:
        """Answer a request; see a connection off in this thread, too.

        Gunicorn would wait for the other side to close it for two seconds in its main loop.
        """
        is_kept = super().handle(conn)  # type: ignore[no-untyped-call]  # gunicorn has no types
        if is_kept is False:
            conn.close(graceful=True)
            conn.close = _nothing_is_left_to_close
        return is_kept


def _needed(seen: bytes) -> int:
    """Return how many bytes of a request to wait for, by what is seen of it."""
    head = seen.find(END_OF_HEAD)
    if head < 0:
        return MOST_SEEN
    head += len(END_OF_HEAD)
    if EXPECTS.search(seen, 0, head):
        return head  # sends nothing more before it is asked to
    length = LENGTH.search(seen, 0, head)
    whole = head + int(length.group(1)) if length else head
    return head if whole > MOST_SEEN else whole


def _nothing_is_left_to_close(graceful: bool = False) -> None:
    """Stand in for the closing of a connection that is closed."""


def _limit(line: socket.socket) -> None:
    """Let the kernel give up where nothing moves: the thread blocks in it."""
    for option, seconds in (
        (socket.SO_RCVTIMEO, RECEIVE_TIMEOUT),
        (socket.SO_SNDTIMEO, SEND_TIMEOUT),
    ):
        line.setsockopt(socket.SOL_SOCKET, option, struct.pack("ll", seconds, 0))
    line.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER)

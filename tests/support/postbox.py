"""A mail server for tests: it takes e-mails over a real socket, or fails at a chosen moment."""

import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

GREETING, SENDER, RECIPIENT, DATA, END = "greeting", "MAIL", "RCPT", "DATA", "end"
HANG_UP = ""


class Conversation(socketserver.StreamRequestHandler):
    """One client, line by line (RFC 5321), as far as our mail goes."""

    server: "Postbox"

    def handle(self) -> None:
        self.server.visits += 1
        if not self.say(GREETING, "220 here"):
            return
        while line := self.rfile.readline():
            word = line.split()[0].upper().decode()
            if word == DATA:
                goes_on = self.say(DATA, "354 go on") and DATA not in self.server.answers
                if goes_on and not self.take():
                    return
            elif word == "QUIT":
                self.say(word, "221 bye")
                return
            elif not self.say(word, "250 fine"):
                return

    def take(self) -> bool:
        lines = []
        while (line := self.rfile.readline()) not in (b".\r\n", b""):
            lines.append(line)
        self.server.taken.append(b"".join(lines).decode())
        self.server.has_taken.set()
        return self.say(END, "250 taken")

    def say(self, moment: str, usual: str) -> bool:
        answer = self.server.answers.get(moment, usual)
        if moment == END:
            self.server.may_answer.wait(60)
        if answer == HANG_UP:
            return False
        self.wfile.write(f"{answer}\r\n".encode())
        return True


class Postbox(socketserver.ThreadingTCPServer):
    """What it took, and what it is told to answer instead of what is usual."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Conversation)
        self.port: int = self.server_address[1]
        self.visits = 0
        self.taken: list[str] = []
        self.answers: dict[str, str] = {}
        self.has_taken = threading.Event()
        self.may_answer = threading.Event()
        self.may_answer.set()

    def handle_error(self, *args: Any) -> None:
        """A client that was killed is what a test wanted."""


@contextmanager
def postbox() -> Iterator[Postbox]:
    with Postbox() as box:
        thread = threading.Thread(target=box.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield box
        finally:
            box.may_answer.set()
            box.shutdown()
            thread.join()

"""The network between a browser and the gateway, which can be cut and restored."""

import contextlib
import socket
import threading
from urllib.parse import urlsplit

CHUNK_BYTES = 65_536


class Cable:
    """Hands bytes on in both directions until it is cut."""

    def __init__(self, gateway: str) -> None:
        there = urlsplit(gateway)
        self._there = (there.hostname or "", there.port or 80)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self._open: set[socket.socket] = set()
        self._lock = threading.Lock()
        self._whole = True
        threading.Thread(target=self._accept, daemon=True).start()

    def cut(self) -> None:
        """Ends what runs through it, and lets nothing through."""
        with self._lock:
            self._whole = False
            ends = list(self._open)
        for end in ends:
            _end(end)

    def restore(self) -> None:
        """Lets everything through again."""
        self._whole = True

    def close(self) -> None:
        """Takes the cable away."""
        self.cut()
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._listener.accept()
            except OSError:
                return
            if not self._whole:
                _end(near)
                continue
            try:
                far = socket.create_connection(self._there)
            except OSError:
                _end(near)
                continue
            with self._lock:
                self._open |= {near, far}
            for one, other in ((near, far), (far, near)):
                threading.Thread(target=self._hand_on, args=(one, other), daemon=True).start()

    def _hand_on(self, one: socket.socket, other: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := one.recv(CHUNK_BYTES):
                other.sendall(data)
        for end in (one, other):
            _end(end)
            with self._lock:
                self._open.discard(end)


def _end(end: socket.socket) -> None:
    with contextlib.suppress(OSError):
        end.shutdown(socket.SHUT_RDWR)
    end.close()

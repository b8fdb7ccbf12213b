"""The hub simulator as a program: what the service's side does in the tests of `iothub_proto.aio`."""

from __future__ import annotations

import json
import os
import queue
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

KEY = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
LIMIT = 20.0


class Hub:
    """One hub on loopback, with TLS, that knows dev1, dev1/mod1 and the certificate device dev2."""

    def __init__(self, process: subprocess.Popen[str], directory: Path) -> None:
        self._process = process
        self._events: queue.Queue[dict[str, Any]] = queue.Queue()
        self._kept: list[dict[str, Any]] = []
        self.directory = directory
        self.cafile = str(directory / "ca.pem")
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()
        self.listening = self.event("listening")
        self.tls: int = self.listening["tls"]
        self.plain: int = self.listening["plain"]

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self._events.put(json.loads(line))

    def do(self, command: str) -> None:
        """A command of the service's side, carried out on return."""
        self.ask(f"{command}\nqueued nobody", "queued")

    def event(self, kind: str) -> dict[str, Any]:
        """The next event of this kind; others are kept."""
        for event in self._kept:
            if event["event"] == kind:
                self._kept.remove(event)
                return event
        while (event := self._events.get(timeout=LIMIT))["event"] != kind:
            self._kept.append(event)
        return event

    def ask(self, command: str, kind: str) -> dict[str, Any]:
        """A command that is answered by an event."""
        assert self._process.stdin is not None
        self._process.stdin.write(command + "\n")
        self._process.stdin.flush()
        return self.event(kind)

    def certificate(self, name: str) -> str:
        """A file with a client certificate for this name, and its key."""
        path = str(self.directory / f"{name}.pem")
        self.ask(f"certificate {name} {path}", "certificate")
        return path

    def connection_string(self, client: str = "dev1", key: str = KEY) -> str:
        """As the portal would show it."""
        device, _, module = client.partition("/")
        named = f";ModuleId={module}" if module else ""
        return f"HostName=localhost;DeviceId={device}{named};SharedAccessKey={key}"


@contextmanager
def running(directory: Path, *options: str) -> Iterator[Hub]:
    """A hub that ends with the block."""
    program = os.environ["IOTHUB_HUB"]
    ca = str(directory / "ca.pem")
    known = ["--device", f"dev1={KEY}", "--device", f"dev1/mod1={KEY}", "--x509", "dev2"]
    arguments = [program, "--tls", "0", "--plain", "0", "--ca-out", ca, *known, *options]
    with subprocess.Popen(arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        hub = Hub(process, directory)
        try:
            yield hub
        finally:
            process.kill()
            hub.reader.join()

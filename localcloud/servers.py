"""Server processes of the local stage: start, wait until ready, stop by process id."""

import contextlib
import os
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from pathlib import Path

HOST = "127.0.0.1"
STOP_SECONDS = 15


class ServerError(Exception):
    """A server could not be started or kept running; the message says why and what to do."""


class Server:
    """One server process, in its own process group.

    It is ready once `ready_url` responds, which may take `ready_seconds`. Its stdout and stderr go
    to the file `log`.
    """

    def __init__(
        self,
        name: str,
        command: Sequence[str | Path],
        *,
        ready_url: str,
        log: Path,
        environment: Mapping[str, str],
        folder: Path,
        ready_seconds: float = 60,
    ) -> None:
        self.name = name
        self._command = [str(part) for part in command]
        self._ready_url = ready_url
        self._log = log
        self._environment = dict(environment)
        self._folder = folder
        self._ready_seconds = ready_seconds
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start the process and wait until its ready URL responds.

        Raises ServerError if the process exits, or is not ready in time.
        """
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                self._command,
                stdout=log,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
                env=self._environment,
                cwd=self._folder,
                # Ctrl-C must reach only the parent process, which stops the servers in order.
                start_new_session=True,
            )
        deadline = time.monotonic() + self._ready_seconds
        while not _responds(self._ready_url):
            if self._process.poll() is not None:
                raise ServerError(
                    f"The {self.name} exited during startup with status "
                    f"{self._process.returncode}. Last lines of {self._log}:\n"
                    f"{self.log_tail()}"
                )
            if time.monotonic() > deadline:
                raise ServerError(
                    f"The {self.name} did not respond at {self._ready_url} within "
                    f"{self._ready_seconds:.0f} s. See {self._log}."
                )
            time.sleep(0.05)

    def is_running(self) -> bool:
        """Whether the process was started and has not exited."""
        return self._process is not None and self._process.poll() is None

    def stop(self) -> None:
        """Terminate the process, then kill what is left of its process group.

        Kills the process too if it does not exit within STOP_SECONDS.
        """
        if self._process is None:
            return
        if self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        with contextlib.suppress(ProcessLookupError):  # workers it left behind
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process = None

    def log_tail(self) -> str:
        """The last 15 lines of the log."""
        return "\n".join(self._log.read_text(errors="replace").splitlines()[-15:])


def require_free_port(port: int, *, purpose: str, variable: str) -> None:
    """Raise ServerError if the port is in use; `variable` is what sets the port."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError as error:
            raise ServerError(
                f"Port {port}, for the {purpose}, is in use. Stop the process that uses it, or "
                f"choose another port: {variable}=… make run"
            ) from error


def _responds(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=2):  # noqa: S310 - our own loopback URL
            return True
    except (
        urllib.error.URLError,
        OSError,
    ):  # an error status means that another server listens there
        return False

"""pypiserver as its users run it: a process of its own, with a password file and uploads over HTTP."""

import base64
import http.client
import re
import secrets
import socket
import subprocess
import sys
import time
import warnings
from pathlib import Path
from types import TracebackType
from typing import Self

_PATIENCE = 30.0
_ACCESS = re.compile(r'"[A-Z]+ (?!/health)\S+ HTTP/[\d.]+" (\d{3}) ')


class PypiServer:
    """A started pypiserver on loopback that lets nobody list, download or upload without the password."""

    def __init__(self, folder: Path, *, user: str, password: str) -> None:
        self.packages = folder / "packages"
        self.packages.mkdir(parents=True)
        self._log = folder / "log.txt"
        self._passwords = folder / "htpasswd.txt"
        self._authorization = "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()
        with warnings.catch_warnings():
            # It looks for a module that Python has deprecated.
            warnings.simplefilter("ignore", DeprecationWarning)
            from passlib.apache import HtpasswdFile  # type: ignore[import-untyped]

            passwords = HtpasswdFile(str(self._passwords), new=True, default_scheme="apr_md5_crypt")
            passwords.set_password(user, password)
            passwords.save()
        self._process: subprocess.Popen[bytes] | None = None
        self.port = 0

    @property
    def url(self) -> str:
        """The address of its simple repository, without credentials."""
        return f"http://127.0.0.1:{self.port}/simple/"

    @property
    def statuses(self) -> list[int]:
        """The status of every answer since the log was last cleared, health checks apart."""
        return [int(match[1]) for match in _ACCESS.finditer(self._log.read_text(encoding="utf-8"))]

    def clear_log(self) -> None:
        """Forget the answers."""
        self._log.write_bytes(b"")

    def upload(self, wheel: Path) -> int:
        """Upload a file as twine does, and return the answer's status."""
        boundary = secrets.token_hex()
        parts = [
            f'--{boundary}\r\nContent-Disposition: form-data; name=":action"\r\n\r\nfile_upload\r\n'.encode(),
            f'--{boundary}\r\nContent-Disposition: form-data; name="content"; filename="{wheel.name}"\r\n'
            f"Content-Type: application/octet-stream\r\n\r\n".encode(),
            wheel.read_bytes(),
            f"\r\n--{boundary}--\r\n".encode(),
        ]
        return self._request(
            "POST",
            "/",
            b"".join(parts),
            {"Content-Type": f"multipart/form-data; boundary={boundary}", "Authorization": self._authorization},
        )

    def _request(self, method: str, path: str, body: bytes | None, headers: dict[str, str]) -> int:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        try:
            connection.request(method, path, body, headers)
            response = connection.getresponse()
            response.read()
            return response.status
        finally:
            connection.close()

    def __enter__(self) -> Self:
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        self._process = subprocess.Popen(
            [
                *(sys.executable, "-W", "ignore", "-m", "pypiserver", "run"),
                *("--interface", "127.0.0.1", "--port", str(self.port), "--disable-fallback"),
                *("--passwords", str(self._passwords), "--authenticate", "list,download,update"),
                *("-v", "--log-file", str(self._log), "--log-stream", "none"),
                *("--log-frmt", "%(message)s"),
                str(self.packages),
            ],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        deadline = time.monotonic() + _PATIENCE
        while True:
            try:
                if self._request("GET", "/health", None, {}) == 200:
                    break
            except OSError:
                pass
            if self._process.poll() is not None or time.monotonic() > deadline:
                self.__exit__(None, None, None)
                raise RuntimeError(f"pypiserver does not start: {self._log.read_text() if self._log.exists() else ''}")
            time.sleep(0.05)
        self.clear_log()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._process:
            self._process.terminate()
            self._process.wait(10)

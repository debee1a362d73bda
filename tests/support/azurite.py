"""Azurite, Microsoft's emulator of Azure Blob Storage, as a process of its own; and the signatures that it checks.

Speaks to it by the REST API alone, with a key that is new each time.
"""

import base64
import functools
import hmac
import http.client
import re
import secrets
import shutil
import socket
import subprocess
import time
from datetime import UTC, datetime, timedelta
from email.utils import formatdate
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import quote, urlencode

import pytest

FOLDER = Path(__file__).resolve().parents[1] / "azurite"
_PROGRAM = FOLDER / "node_modules" / "azurite" / "dist" / "src" / "blob" / "main.js"
_VERSION = "2021-08-06"
_PATIENCE = 60.0
_STATUS = re.compile(r'"GET \S+ HTTP/1\.1" (\d{3}) ')


@functools.cache
def obstacle() -> str | None:
    """Return why Azurite cannot be started here, or None if it can."""
    if shutil.which("node") is None:
        return "no `node` here"
    if not _PROGRAM.is_file():
        return "Azurite is not installed: run `npm ci --prefix tests/azurite`"
    return None


def require_azurite() -> None:
    """Skip the test with the reason where Azurite cannot be started."""
    if reason := obstacle():
        pytest.skip(reason)


class Azurite:
    """A started blob service with one private container; `folder` is its workspace."""

    account = "lockhouse"
    container = "wheels"

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._key = secrets.token_bytes(32)
        self._process: subprocess.Popen[bytes] | None = None
        self._log = folder / "access.log"
        self.port = 0

    @property
    def host(self) -> str:
        """Host and port, under another name than the index has."""
        return f"localhost:{self.port}"

    @property
    def statuses(self) -> list[int]:
        """The status of each GET so far."""
        return [int(match[1]) for match in _STATUS.finditer(self._log.read_text(encoding="utf-8"))]

    def put(self, file: Path) -> None:
        """Upload a file into the container."""
        self._send(
            "PUT", f"/{self.container}/{quote(file.name)}", "", file.read_bytes(), {"x-ms-blob-type": "BlockBlob"}
        )

    def sas_url(self, name: str, *, lifetime: float) -> str:
        """Return a URL that lets who has it read one blob for so many seconds: a service SAS."""
        expiry = (datetime.now(UTC) + timedelta(seconds=lifetime)).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"
        resource = f"/blob/{self.account}/{self.container}/{name}"
        # Permissions, start, expiry, resource, identifier, IP, protocol, version, kind, snapshot, encryption, five headers.
        fields = ["r", "", expiry, resource, "", "", "", _VERSION, "b", "", "", "", "", "", "", ""]
        query = urlencode({"sv": _VERSION, "se": expiry, "sr": "b", "sp": "r", "sig": self._sign("\n".join(fields))})
        return f"http://{self.host}/{self.account}/{self.container}/{quote(name)}?{query}"

    def get(self, url: str) -> int:
        """Return the status of a GET, without any credentials but what is in the URL."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        try:
            connection.request("GET", url.partition(self.host)[2])
            response = connection.getresponse()
            response.read()
            return response.status
        finally:
            connection.close()

    def _sign(self, text: str) -> str:
        return base64.b64encode(hmac.digest(self._key, text.encode(), "sha256")).decode()

    def _send(self, method: str, path: str, query: str, body: bytes, headers: dict[str, str]) -> None:
        """Send a request with Shared Key authorization."""
        ours = {"x-ms-date": formatdate(usegmt=True), "x-ms-version": _VERSION} | headers
        canonical = "".join(f"{key}:{ours[key]}\n" for key in sorted(ours))
        resource = f"/{self.account}/{self.account}{path}" + "".join(
            f"\n{part.replace('=', ':')}" for part in sorted(query.split("&")) if part
        )
        # Verb, encoding, language, length, MD5, type, date, four conditions, range.
        fields = [method, "", "", str(len(body)) if body else "", "", "", "", "", "", "", "", ""]
        signature = self._sign("\n".join(fields) + "\n" + canonical + resource)
        ours["Authorization"] = f"SharedKey {self.account}:{signature}"
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            connection.request(method, f"/{self.account}{path}?{query}".rstrip("?"), body, ours)
            response = connection.getresponse()
            said = response.read()
            if response.status != 201:
                raise RuntimeError(f"Azurite answers {response.status} to {method} {path}: {said.decode()}")
        finally:
            connection.close()

    def __enter__(self) -> Self:
        self._folder.mkdir(parents=True, exist_ok=True)
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                [
                    *("node", str(_PROGRAM), "--blobHost", "127.0.0.1", "--blobPort", str(self.port)),
                    *("--location", str(self._folder), "--disableTelemetry", "--skipApiVersionCheck"),
                ],
                env={
                    "PATH": str(Path(shutil.which("node") or "").parent),
                    "HOME": str(self._folder),
                    "AZURITE_ACCOUNTS": f"{self.account}:{base64.b64encode(self._key).decode()}",
                },
                cwd=self._folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        deadline = time.monotonic() + _PATIENCE
        while b"successfully listen" not in self._log.read_bytes():
            if self._process.poll() is not None or time.monotonic() > deadline:
                self.__exit__(None, None, None)
                raise RuntimeError(f"Azurite does not start: {self._log.read_text()}")
            time.sleep(0.1)
        self._send("PUT", f"/{self.container}", "restype=container", b"", {})
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._process:
            self._process.terminate()
            self._process.wait(10)

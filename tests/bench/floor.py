"""The floor: the same chain of requests with nothing around it, as fast as this machine's Python can put it on disk.

Per file: the project's page, the file's link (302), the signed URL. One keep-alive connection a host and thread.
"""

import argparse
import base64
import json
import ssl
import threading
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPResponse, HTTPSConnection
from pathlib import Path
from urllib.parse import urljoin, urlsplit

ACCEPT = {"Accept": "application/vnd.pypi.simple.v1+json"}


def main() -> None:
    """Fetch every named file."""
    parser = argparse.ArgumentParser()
    parser.add_argument("url")
    parser.add_argument("ca")
    parser.add_argument("wanted", type=Path, help="JSON: project -> file name")
    parser.add_argument("into", type=Path)
    parser.add_argument("--connections", type=int, default=20)
    options = parser.parse_args()
    base = urlsplit(options.url)
    token = base64.b64encode(f"{base.username}:{base.password}".encode()).decode()
    context = ssl.create_default_context(cafile=options.ca)
    local = threading.local()

    def get(url: str, headers: dict[str, str]) -> HTTPResponse:
        parts = urlsplit(url)
        pool = local.__dict__.setdefault("pool", {})
        host = parts.netloc.rpartition("@")[2]
        if host not in pool:
            pool[host] = HTTPSConnection(host, context=context)
        pool[host].request("GET", f"{parts.path}?{parts.query}" if parts.query else parts.path, headers=headers)
        response: HTTPResponse = pool[host].getresponse()
        return response

    def fetch(item: tuple[str, str]) -> None:
        project, filename = item
        own = {"Authorization": f"Basic {token}"}
        page = urljoin(options.url, f"{project}/")
        files = json.loads(get(page, ACCEPT | own).read())["files"]
        link = next(file["url"] for file in files if file["filename"] == filename)
        answer = get(urljoin(page, link), own)
        answer.read()
        response = get(answer.headers["Location"], {})
        with (options.into / filename).open("wb") as file:
            while chunk := response.read(1 << 18):
                file.write(chunk)

    wanted = json.loads(options.wanted.read_text(encoding="utf-8"))
    with ThreadPoolExecutor(options.connections) as threads:
        list(threads.map(fetch, wanted.items()))


if __name__ == "__main__":
    main()

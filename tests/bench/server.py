"""The index that is measured against, as a process of its own: HTTPS, Basic auth, every file behind a signed URL.

Prints one line of JSON with its addresses, and serves until its standard input ends.
"""

import argparse
import json
import ssl
import sys
from pathlib import Path

import trustme

from support.index import Index


def main() -> None:
    """Serve the directory that the command line names."""
    parser = argparse.ArgumentParser()
    parser.add_argument("directory", type=Path)
    parser.add_argument("scratch", type=Path, help="where the certificate of this run's CA is written")
    parser.add_argument("--latency", type=float, default=0.05, help="seconds before each answer")
    parser.add_argument("--lifetime", type=float, default=120.0, help="seconds that a signed URL lives")
    parser.add_argument("--stable", action="store_true", help="the control: URLs that never change")
    parser.add_argument("--html", action="store_true", help="pages in HTML only")
    parser.add_argument("--http", action="store_true", help="without TLS")
    options = parser.parse_args()

    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost", "127.0.0.1").configure_cert(context)
    ca = options.scratch / "ca.pem"
    authority.cert_pem.write_to_path(str(ca))
    index = Index(
        options.directory,
        json=not options.html,
        auth=("bench", "pass-word"),
        latency=options.latency,
        redirect=True,
        lifetime=options.lifetime,
        stable_urls=options.stable,
        tls=None if options.http else context,
    )
    with index:
        print(json.dumps({"url": index.url_with_password, "ca": str(ca)}), flush=True)
        for command in sys.stdin:
            # "count" answers how many requests and bytes of files have been served since the last time.
            if command.strip() == "count":
                requests = index.requests
                index.reset_log()
                print(json.dumps({"requests": len(requests), "bytes": sum(r.sent for r in requests)}), flush=True)


if __name__ == "__main__":
    main()

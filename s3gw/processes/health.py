"""`python -m s3gw.processes.health`: asks /readyz of the server on this machine, for a container's health check.

Reads S3GW_ADMIN_LISTEN and S3GW_TLS_CERT as the server does. The certificate isn't verified: it names the host that
clients know, and nobody but this machine answers here.
"""

from __future__ import annotations

import http.client
import ssl
import sys

from s3gw.addresses import parse_address
from s3gw.config import ConfigurationError, load_settings

_PATIENCE = 4.0  # seconds
_HERE = {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1"}


def main() -> int:
    try:
        settings = load_settings()
        host, port = parse_address(settings.admin_listen)
        connection = http.client.HTTPConnection(_HERE.get(host, host), port, timeout=_PATIENCE)
        if settings.tls_cert is not None:
            context = ssl.create_default_context()
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
            connection = http.client.HTTPSConnection(_HERE.get(host, host), port, timeout=_PATIENCE, context=context)
        connection.request("GET", "/readyz")
        status = connection.getresponse().status
    except (ConfigurationError, OSError, http.client.HTTPException) as error:
        print(f"s3gw: {error}", file=sys.stderr)
        return 1
    return 0 if status == 200 else 1


if __name__ == "__main__":
    sys.exit(main())

"""TLS with a certificate made on the spot, for clients that refuse plain HTTP."""

from __future__ import annotations

import shutil
import ssl
import tempfile
from pathlib import Path
from typing import Any, Final

_HOSTS: Final = ("localhost", "127.0.0.1", "::1")


def _trustme() -> Any:  # noqa: ANN401 - a part of its types is unknown
    try:
        import trustme  # noqa: PLC0415 - of an extra, and it loads cryptography
    except ImportError as error:
        raise ImportError(
            f"TLS needs trustme ({error}): pip install 'bedrock-resilience[tls]'", name=error.name
        ) from error
    return trustme


class LocalCertificate:
    """A certificate for this machine, signed by an authority that nothing else uses.

    Attributes:
        context: The server's side of TLS.
        ca_bundle: A file with the certificate of the authority, which clients have to trust.

    Args:
        host: The address that the server listens on.

    Raises:
        ImportError: ``trustme`` is not installed; the message names the extra.
    """

    def __init__(self, host: str) -> None:
        authority = _trustme().CA()
        self._folder = Path(tempfile.mkdtemp(prefix="bedrock-emulator-"))
        self.ca_bundle: Path = self._folder / "ca.pem"
        authority.cert_pem.write_to_path(str(self.ca_bundle))
        self.context: ssl.SSLContext = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert(*dict.fromkeys((host, *_HOSTS))).configure_cert(self.context)

    def close(self) -> None:
        """Remove the file."""
        shutil.rmtree(self._folder, ignore_errors=True)

"""The certificate of the emulator."""

from __future__ import annotations

import ssl
import sys

import pytest

from bedrock_resilience.emulator._http.tls import LocalCertificate


def test_the_authority_is_a_file_that_a_client_can_trust_and_that_goes_away() -> None:
    certificate = LocalCertificate("127.0.0.2")
    assert isinstance(certificate.context, ssl.SSLContext)
    context = ssl.create_default_context(cafile=str(certificate.ca_bundle))
    assert context.cert_store_stats()["x509_ca"] >= 1
    certificate.close()
    assert not certificate.ca_bundle.parent.exists()


def test_it_names_the_extra_that_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "trustme", None)
    with pytest.raises(ImportError, match=r"TLS needs trustme .+: pip install 'bedrock-resilience\[tls\]'"):
        LocalCertificate("127.0.0.1")

"""The keys of a test cluster: one authority, what it signs, and tokens that say who somebody is."""

import ipaddress
import secrets
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

PRIVATE = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
PUBLIC = (serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
SERVER = (ExtendedKeyUsageOID.SERVER_AUTH, "localhost", "")
CLIENT = (ExtendedKeyUsageOID.CLIENT_AUTH, "apiserver", "system:masters")


class Authority:
    """Writes `authority.crt` into a folder, and there what it signs."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test authority")])
        usage = x509.KeyUsage(True, False, False, False, False, True, True, False, False)
        own = self._certificate(self._name, self._key).add_extension(x509.BasicConstraints(True, None), True)
        self._write("authority", own.add_extension(usage, True))

    def sign(self, name: str, usage: tuple[x509.ObjectIdentifier, str, str]) -> None:
        """Writes `name.crt` and `name.key`."""
        purpose, common_name, group = usage
        key = ec.generate_private_key(ec.SECP256R1())
        parts = [x509.NameAttribute(NameOID.COMMON_NAME, common_name)]
        parts += [x509.NameAttribute(NameOID.ORGANIZATION_NAME, group)] if group else []
        addresses = [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
        self._write(
            name,
            self._certificate(x509.Name(parts), key)
            .add_extension(x509.ExtendedKeyUsage([purpose]), False)
            .add_extension(x509.SubjectAlternativeName(addresses), False),
        )
        write_private(self._folder / f"{name}.key", key)

    def _certificate(self, subject: x509.Name, key: ec.EllipticCurvePrivateKey) -> x509.CertificateBuilder:
        now = datetime.now(UTC)
        issuer = x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key())
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(hours=1))
            .not_valid_after(now + timedelta(days=2))
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), False)
            .add_extension(issuer, False)  # Python 3.13 insists on it
        )

    def _write(self, name: str, certificate: x509.CertificateBuilder) -> None:
        signed = certificate.sign(self._key, hashes.SHA256())
        (self._folder / f"{name}.crt").write_bytes(signed.public_bytes(serialization.Encoding.PEM))


def write_private(path: Path, key: ec.EllipticCurvePrivateKey) -> None:
    path.write_bytes(key.private_bytes(*PRIVATE))


def write_keys(folder: Path) -> None:
    """All that the API server needs: its own certificate, the one it shows the kubelet, and who signs its tokens."""
    authority = Authority(folder)
    authority.sign("server", SERVER)
    authority.sign("client", CLIENT)
    tokens = ec.generate_private_key(ec.SECP256R1())
    write_private(folder / "tokens.key", tokens)
    (folder / "tokens.pub").write_bytes(tokens.public_key().public_bytes(*PUBLIC))


def write_user(folder: Path, server: str, user: str, group: str) -> None:
    """A new token in `users.csv`, and with it `USER.kubeconfig`."""
    token = secrets.token_hex()
    with (folder / "users.csv").open("a") as users:
        users.write(f"{token},{user},{user},{group}\n")
    write_kubeconfig(folder / f"{user.rpartition(':')[2]}.kubeconfig", server, folder / "authority.crt", token)


def write_kubeconfig(path: Path, server: str, authority: Path, token: str) -> None:
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "test",
        "clusters": [{"name": "test", "cluster": {"server": server, "certificate-authority": str(authority)}}],
        "users": [{"name": "test", "user": {"token": token}}],
        "contexts": [{"name": "test", "context": {"cluster": "test", "user": "test"}}],
    }
    path.write_bytes(msgspec.json.encode(config))

"""AES-256-GCM as it is used here: a random nonce before each ciphertext, bound to what it belongs to."""

import os

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

NONCE_BYTES = 12


def seal(secret: bytes, content: bytes, binding: bytes) -> bytes:
    """Nonce, ciphertext and tag. Opens only with the same binding (RFC 5116's associated data)."""
    nonce = os.urandom(NONCE_BYTES)
    return nonce + AESGCM(secret).encrypt(nonce, content, binding)


def unseal(secret: bytes, sealed: bytes, binding: bytes) -> bytes:
    """Raises cryptography's InvalidTag for another key or binding, or changed bytes."""
    return AESGCM(secret).decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], binding)

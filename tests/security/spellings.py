"""Everything a text may look like where it lies in the open: in other encodings, and inside other encoded content."""

import base64
import json
import urllib.parse


def spellings(text: str) -> set[bytes]:
    """All of them; each long enough that it is nowhere by accident. The text must have 16 characters or more."""
    plain = text.encode()
    found = {plain, text.encode("utf-16-le"), text.encode("utf-16-be"), plain[::-1]}
    found |= {plain.hex().encode(), plain.hex().upper().encode()}
    found |= {urllib.parse.quote(text, safe="").encode(), json.dumps(text)[1:-1].encode()}
    return found | _base64(plain)


def _base64(plain: bytes) -> set[bytes]:
    """However much stands before and behind it: three shifts, without the characters that depend on the neighbours."""
    found = set()
    for shift in range(3):
        for encode in (base64.standard_b64encode, base64.urlsafe_b64encode):
            encoded = encode(bytes(shift) + plain)
            first = -(-shift * 8 // 6)
            last = (shift + len(plain)) * 8 // 6
            found.add(encoded[first:last])
    return found

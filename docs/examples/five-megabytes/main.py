"""Writes 5 MB of UTF-8, characters of one to four bytes, the same ones each time."""

import sys

SIZE = 5_000_000
ALPHABET = "abcdefghijklmnop äöüßéñçøåλπω中文日本語한글кирил 🙂🚀🌍"


def lines():
    """Words picked by a linear congruential generator, so that no version of Python changes them."""
    state = number = 0
    while True:
        characters = []
        for _ in range(60):
            state = (state * 1_103_515_245 + 12_345) % 2**31
            characters.append(ALPHABET[(state >> 16) % len(ALPHABET)])
        number += 1
        yield f"{number:07} {''.join(characters)}\n".encode()


left = SIZE
for line in lines():
    if len(line) > left:
        sys.stdout.buffer.write(b"." * (left - 1) + b"\n" if left else b"")
        break
    sys.stdout.buffer.write(line)
    left -= len(line)

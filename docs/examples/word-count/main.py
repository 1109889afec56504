"""Counts the words of the text on stdin: how many there are, and the most frequent ones."""

import re
import sys
from collections import Counter

text = sys.stdin.read()
words = re.findall(r"[^\W\d_]+(?:['’][^\W\d_]+)*", text.lower())
counts = Counter(words)

print(f"{len(text.splitlines())} lines, {len(words)} words, {len(counts)} different ones, {len(text)} characters")
for word, count in sorted(counts.items(), key=lambda item: (-item[1], item[0]))[:10]:
    print(f"{count:4} {word}")

"""All ways to place eight queens on a chessboard so that none attacks another; prints the first three boards."""

SIZE = 8


def place(queens):
    """Extend a placement (one column per row so far) in every possible way."""
    if len(queens) == SIZE:
        yield queens
        return
    row = len(queens)
    for column in range(SIZE):
        if all(column != c and abs(column - c) != row - r for r, c in enumerate(queens)):
            yield from place([*queens, column])


def board(queens):
    return "\n".join(" ".join("Q" if column == queen else "." for column in range(SIZE)) for queen in queens)


solutions = list(place([]))
print(f"{len(solutions)} solutions for {SIZE} queens")
for number, solution in enumerate(solutions[:3], start=1):
    print(f"\n#{number}: {solution}\n{board(solution)}")

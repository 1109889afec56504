"""The Mandelbrot set as text: the darker the character, the longer a point stays."""

WIDTH, HEIGHT, ROUNDS = 78, 32, 60
SHADES = " .:-=+*#%@"


def escape_time(c):
    z = 0j
    for rounds in range(ROUNDS):
        z = z * z + c
        if abs(z) > 2:
            return rounds
    return ROUNDS


def shade(rounds):
    return SHADES[rounds * (len(SHADES) - 1) // ROUNDS]


for row in range(HEIGHT):
    y = 1.2 - 2.4 * row / (HEIGHT - 1)
    points = (complex(-2.2 + 3.0 * column / (WIDTH - 1), y) for column in range(WIDTH))
    print("".join(shade(escape_time(point)) for point in points).rstrip())

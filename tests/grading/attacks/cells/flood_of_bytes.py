"""Right, and prints 200 MB."""

DESERVES = {}
BOUNDS = {"seconds": 20}


def double(x):
    return 2 * x


for _ in range(200):
    print("x" * (1 << 20))

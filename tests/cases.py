"""Small worlds in which a rule was once wrong, or would be: shrunk by hypothesis, kept for good."""

from tests.worlds import World

CASES: dict[str, World] = {}

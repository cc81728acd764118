"""`make chaos`: real workers on both databases, and what happens to servers happens to them.

Workers are killed and frozen, the disk fills up, the folder for files goes away, a clock is a year
off, a deploy is broken, the database restarts. Every scenario has exports that somebody consented
to; a line says how many were lost, written twice, handed out in part, or failed: all must be 0.
EXPORTS says how many each scenario has, SEED what chance begins with.
"""

import os

EXPORTS = int(os.environ.get("EXPORTS") or 8)
SEED = int(os.environ.get("SEED") or 1)

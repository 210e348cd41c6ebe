"""`chaos prsa ...`: the command line, and the only place where rooms are wired together.

Each command reads the settings, calls one link of chain/ and prints. Exit codes: 0 done or passed, 1 a failed
verdict, 2 bad input, 3 inconclusive, invalid or something outside is missing, 130 Ctrl-C.
"""

from chaosprsa.cli.group import prsa

__all__ = ["prsa"]

"""`chaos prsa ...`: the command line.

Each command reads the settings, calls one link of chain/, where rooms are wired together, and prints. Exit codes: 0
done or passed, 1 a failed verdict, 2 bad input, a refusal or something outside is missing, 3 inconclusive or invalid,
130 Ctrl-C, 143 SIGTERM.
"""

from chaosprsa.cli.group import prsa

__all__ = ["prsa"]

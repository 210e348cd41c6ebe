"""The nine links: each reads what the link before wrote, calls its rooms, and writes what the next one reads.

The command line and the demo call these; what is decided is decided in the rooms. One module a stretch of the chain,
each imported when it is needed, so that a command loads no room that it does not use.
"""

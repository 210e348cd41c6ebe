"""What is wrong now: how surprising each sample is, since when a component is off, which one began it, and how.

`series` scores one series, causally; `system` makes alarms of many; `location` says which component and which fault.
"""

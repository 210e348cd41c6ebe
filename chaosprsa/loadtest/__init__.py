"""What Locust runs: a schedule made from a profile, the users that play it, the log of every request.

Only `schedule` and `log` may be imported by the rest of the package: importing Locust patches the whole process.
"""

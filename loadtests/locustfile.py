"""For people: `locust -f loadtests/locustfile.py --host URL`, with CHAOSPRSA_PROFILE=FILE for a profile of your own.

The playing code is chaosprsa/loadtest/locustfile.py, so that it is found when the package is installed.
"""

from chaosprsa.loadtest.locustfile import Arrivals, ProfileShape, Users

__all__ = ["Arrivals", "ProfileShape", "Users"]

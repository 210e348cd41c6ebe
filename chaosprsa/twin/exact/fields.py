"""Where things lie in the kernel's memory.

The memory is two buffers of one length, F of floats and I of whole numbers. A thing's handle is the place where its
fields begin, in both; `F[pod + SERVED]`, `I[job + POD]`. A handle of -1 is none. Two flat buffers, since every array
that a compiled function is given costs it time at each call.
"""

# the header: counts, where regions begin, the state of the random numbers
ARRIVAL, FREE_HEAD, TIMERS, STACKED, RECORDS, RECORDS_LEFT = range(6)
HEAP, STATIONS, TIMER, TIMER_ROOM, STACK, ARRIVALS, REQUESTS, ANSWERS, ENTRY, RANDOM = range(6, 16)
HEADER = 16

# jobs, F: when it is done on its station's own clock, or its work while it waits there; when it came
KEY, CAME = range(2)
# jobs, I. PARENT_STAMP: the parent's STAMP when it called; another one by now, and nobody waits any more.
# NEXT, PREVIOUS: of the same pod, NEXT also of free records; AHEAD: the next in a queue
STAGE, STAMP, SERVICE, POD, PARENT, PARENT_STAMP, CALL, REQUEST, PENDING, AT_CALL, FAILED, ORPHAN, ATTEMPT = range(13)
CHILD, SIBLING, NEXT, PREVIOUS, HIT, AHEAD = range(13, 19)
JOB = 20

# a job's stages
FREE, AT_CPU, AT_STORAGE, DELAYED, CALLING, AT_NETWORK, FINISHING, FOR_CONNECTION, BACKING_OFF = range(9)

# stations, F: processor sharing with at most one core a job. CLOCK: work done for each job so far
CLOCK, LAST, CORES, SPEED, MOST_CORES, PERIOD, PERIOD_END, QUOTA, BUSY, THROTTLED_S = range(10)
# stations, I
ACTIVE, MOST, ROOT, HEAD, TAIL, PLACE, STOPPED = range(7)  # TAIL after HEAD, as lines.py has them
STATION = 10

# pods, F and I
SERVED, WEIGHT = range(2)
OF, STATE, POD_STAMP, CPU, STORAGE, NETWORK, JOBS, COUNT, READY_AT, ORDINAL = range(10)
POD_CELLS = 10
ABSENT, STARTING, READY, DRAINING = range(4)

# services, F: seconds, shares, MiB; then what it has done since it was last asked
DEMAND, DEMAND_CV2, WAIT, WAIT_CV2, ERROR, STORAGE_S, NETWORK_S, START_DELAY, WARM_S, WARM_SPEED = range(10)
MEMORY, MEMORY_JOB, MEMORY_LIMIT, HIT_SHARE, FILL, HIT_WORK, FAILING, SLOWER = range(10, 18)
ARRIVED, DONE, LOST_JOBS, REFUSED, TIME_S, OOM_KILLS = range(18, 24)
STATISTICS = (ARRIVED, DONE, LOST_JOBS, REFUSED, TIME_S, OOM_KILLS)
# services, I
FIRST_POD, PODS, READY_PODS, FIRST_READY, FIRST_CALL, CALLS, QUEUE_LIMIT, WEIGHTED = range(8)
SERVICE_CELLS = 24

# calls, F and I: one for each call that a request may make. TOKENS: of the retry budget; SEEN, LOST: by the breaker
CHANCE, TIMEOUT, BACKOFF, BUDGET, TOKENS, BREAK_SHARE, BREAK_S, OPEN_UNTIL, SEEN, LOST, SEEN_AT = range(11)
CALLEE, GROUP, RETRIES, POOL, FIRST_POOL, BREAK_LEAST, HALF_OPEN = range(7)
CALL_CELLS = 12

# connections of a call from one pod of its caller, I
IN_USE, POOL_HEAD, POOL_TAIL = range(3)  # the same
POOL_CELLS = 3

# timers: three whole numbers each, their times beside them
DELAY_OVER, CALL_TIMEOUT, RETRY, POD_READY, POD_WARM, POD_OOM = range(6)
TIMER_CELLS = 3

# a user's request
ANSWERED, LOST_ANSWER = 1, 2

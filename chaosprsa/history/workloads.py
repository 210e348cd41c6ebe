"""Which workload a pod, a job or a container's log file belongs to, read off the name. Pure.

Kubernetes names a Deployment's pod workload-<template hash>-<5 letters>, a DaemonSet's workload-<5 letters>, a
StatefulSet's workload-<number>, a CronJob's job workload-<minutes since 1970>. The five letters are of an alphabet
without vowels (k8s.io/apimachinery, util/rand), which a word of a name hardly is.
"""

import re

_SUFFIX = "[bcdfghjklmnpqrstvwxz2456789]{5}"
_DEPLOYMENT = re.compile(rf"^(.+)-(?=[a-z0-9]*\d)[a-z0-9]{{6,10}}-{_SUFFIX}$")
_CRON_POD = re.compile(rf"^(.+)-\d{{8,11}}-{_SUFFIX}$")
_DAEMON = re.compile(rf"^(.+)-{_SUFFIX}$")
_NUMBERED = re.compile(r"^(.+)-\d{1,4}$")
_REPLICA_SET = re.compile(r"^(.+)-(?=[a-z0-9]*\d)[a-z0-9]{6,10}$")
_CRON_JOB = re.compile(r"^(.+)-\d{8,11}$")


def workload_of_pod(pod: str) -> str:
    """`cart-6cfdd55578-gfj6q` -> cart, `redis-0` -> redis, `fluentd-x7k2p` -> fluentd; else the name itself."""
    for pattern in (_CRON_POD, _DEPLOYMENT, _DAEMON, _NUMBERED):
        match = pattern.match(pod)
        if match:
            return match[1]
    return pod


def workload_of(kind: str, name: str) -> str:
    """The workload of a Kubernetes object of this kind."""
    if kind == "Pod":
        return workload_of_pod(name)
    pattern = {"ReplicaSet": _REPLICA_SET, "Job": _CRON_JOB}.get(kind)
    match = pattern.match(name) if pattern else None
    return match[1] if match else name

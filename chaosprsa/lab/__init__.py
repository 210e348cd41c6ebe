"""The embedded default: a small cluster in one process, without root or containers.

A Kubernetes API that the official client uses unchanged (store, resources, api, controllers, kubelet), a data plane
that answers real HTTP at the speed that replicas, limits, faults and load imply, and /metrics for a real Prometheus.
"""

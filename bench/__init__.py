"""Hilum beside its peers on this machine: rates, memory and latencies, measured live. `make bench` runs it."""

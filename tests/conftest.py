"""What every test stands on: hypothesis settings and random circuits."""

from __future__ import annotations

from hypothesis import HealthCheck, settings

# Timings differ between machines, and no test is about time.
settings.register_profile(
    "hybridx", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("hybridx")

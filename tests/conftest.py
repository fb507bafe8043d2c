"""Settings of all tests."""

from __future__ import annotations

from hypothesis import settings

# Deadlines measure how busy the machine is; what a test shows must not depend on that.
settings.register_profile("no deadline", deadline=None)
settings.load_profile("no deadline")

"""Settings of the whole suite."""

from __future__ import annotations

import os

from hypothesis import settings

# A failure in CI prints what `reproduce_failure` needs, and a slow machine is no failure.
settings.register_profile("ci", print_blob=True, deadline=None)
settings.register_profile("developer", deadline=None)
settings.load_profile("ci" if os.environ.get("CI") else "developer")

"""Property tests draw the same cases every time; HYPOTHESIS_PROFILE=explore draws others, and more."""

import os

from hypothesis import settings

settings.register_profile("default", derandomize=True, deadline=None, database=None, max_examples=100)
settings.register_profile("explore", deadline=None, max_examples=2000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "default"))

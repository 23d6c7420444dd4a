from __future__ import annotations

import pytest

pytest.register_assert_rewrite("differential.both_ways")

collect_ignore = ["corpus"]  # suites for the image, not for us

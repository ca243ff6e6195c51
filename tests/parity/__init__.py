"""Tables of what every entry must answer alike: one column an input, one row an entry, one independent oracle a column."""
import pytest

pytest.register_assert_rewrite("parity.expected")

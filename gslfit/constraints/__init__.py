"""The closed grammar of `expr`: texts checked, compiled, and evaluated with their derivatives."""

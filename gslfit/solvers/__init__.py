"""GSL's solvers as the layers above use them: the caller's functions, the solvers, and how an iteration ended."""

"""Start values of models from data."""

"""Expressions: the closed grammar of constraints between parameters, and formulas from text or a traced function to a program."""

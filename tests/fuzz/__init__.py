"""Fuzz of the truth of fits: does every fit that calls itself good end at a minimum, by arithmetic that shares nothing with gslfit's?"""

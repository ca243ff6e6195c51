"""What a fit minimises: the weighted differences of a model and data at the points that take part, their sign, and how many they are."""

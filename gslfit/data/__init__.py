"""The door: what a caller hands in becomes arrays of real numbers, a mask and weights; the labels are kept, to be given back."""

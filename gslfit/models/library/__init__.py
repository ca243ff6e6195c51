"""The library of models: entries, and the classes made from them."""

"""What is tried in processes of their own, for long: memory that ends, interrupts, random calls, exceptions of callbacks."""
